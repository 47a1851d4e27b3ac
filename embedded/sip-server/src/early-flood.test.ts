import t from 'tap';
import { type PeerRequest, startPeer } from './test-peer.js';
import { connectApp, notDrachtio, nothingHeld, startServer, until, uriOf } from './test-rig.js';

const INVITES = 300;
/** What one source may have open, by `--source-limit`. */
const OPEN = 100;

t.test(
  'early dialogs: INVITEs that only ring are bounded by source, and given back when the caller ends them (not drachtio)',
  notDrachtio,
  async (t) => {
    // The INVITEs of a known source: 18x counts as success.
    const server = await startServer(t, ['--source-limit', `open=${OPEN},refusals=0`], {});
    await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(183)));
    const caller = await startPeer(t, 500);
    const invites: PeerRequest[] = Array.from({ length: INVITES }, () => caller.invite(uriOf(server)));
    const outcomes = await Promise.all(
      invites.map((invite) => invite.responses.take(({ status }) => status === 183 || status >= 200)),
    );
    const ringing = outcomes.filter(({ status }) => status === 183).length;
    t.equal(ringing, OPEN, 'so many ring');
    t.equal(outcomes.filter(({ status }) => status === 503).length, INVITES - OPEN, 'the others are refused');
    t.equal(server.bridge.earlyDialogCount, OPEN);
    t.equal(server.bridge.pendingCounts.server, OPEN);
    for (const [i, invite] of invites.entries()) if (outcomes[i]!.status === 183) caller.cancel(invite);
    await until(() => server.bridge.earlyDialogCount === 0);
    await nothingHeld(server);
    const again = caller.invite(uriOf(server));
    t.equal((await again.response(183)).status, 183, 'their places are free again');
    caller.cancel(again);
    await again.final();
  },
);
