import { createUserAgent } from '@ringwire/sip';
import t from 'tap';
import { connectApp, notDrachtio, sdp, startServer, uriOf } from './test-rig.js';

const CALLS = 60;

for (const transport of ['udp', 'tcp'] as const) {
  t.test(
    `slow application: ${CALLS} calls of a stranger that wait at the same time are not limited over ${transport} (not drachtio)`,
    notDrachtio,
    async (t) => {
      const server = await startServer(t, []);
      const waiting: Array<() => void> = [];
      await connectApp(t, server, (srf) => {
        srf.invite((req, res) => {
          waiting.push(
            () => void srf.createUAS(req, res, { localSdp: sdp(1) }).catch((err: Error) => t.fail(err.message)),
          );
          // No call is answered before all have come.
          if (waiting.length === CALLS) for (const answer of waiting) answer();
        });
      });
      // With the timers of the standard: a request sent again would count too.
      const phone = await createUserAgent({ listen: [{ transport, host: '127.0.0.1', port: 0 }] });
      t.teardown(() => phone.stop());
      const uri = uriOf(server, '100', transport);
      const calls = Array.from({ length: CALLS }, () => phone.invite({ uri, sdp: sdp(2) }).answered);
      const dialogs = await Promise.all(calls);
      t.same(
        Object.entries(server.sourceLimits!.limited).filter(([, count]) => count > 0),
        [],
      );
      await Promise.all(dialogs.map((dialog) => dialog.bye()));
    },
  );
}
