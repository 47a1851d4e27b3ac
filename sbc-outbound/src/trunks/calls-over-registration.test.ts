import { SEED } from '@ringwire/common/testing/provisioned.js';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import { openSbcInbound } from '@ringwire/sbc-inbound';
import { refusal } from '@ringwire/sbc-inbound/testing/caller.js';
import { openSbc, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { OutgoingCall, SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound } from '../sbc-outbound.js';
import { dial } from '../testing/carriers.js';
import { startRegistrar, withPassword } from '../testing/registrar.js';
import { TRUNK_ENV as env, TestTrunks } from '../testing/trunks.js';

t.setTimeout(200_000);

t.test(
  'over a registration the carrier calls us, and we call it; once it is removed the carrier is a stranger',
  async (t) => {
    const stores = await startStores(t);
    const httpPort = await findFreePort();
    const server = await startServerProcess(t, () => ['--http-handler', `INVITE=http://127.0.0.1:${httpPort}/route`]);
    const fs = await startFeatureServer(t, stores, 'fs-one');
    const edge = { stores, controlPort: server.controlPort };
    const inbound = await openSbc(t, openSbcInbound, {
      ...edge,
      name: 'sbc-inbound',
      env: { HTTP_PORT: `${httpPort}`, SHIELD_BAN_MINUTES: '0' },
    });
    const sbc = await openSbc(t, openSbcOutbound, { ...edge, name: 'sbc-outbound', env });
    await Promise.all([inbound.edge, sbc.edge].map(({ featureServers }) => featureServers.refresh()));
    const trunks = new TestTrunks(t, stores, sbc);
    const audio = await startAudio(t);

    // No gateway of any carrier is at this address.
    const registrar = await startRegistrar(t, withPassword('SHA-256', 600), '127.0.0.66');
    const trunk = await trunks.add(t, registrar, { application_sid: SEED.applicationSid });
    await trunks.becomes(trunk, 'ok');
    await until('its calls are let in', () => trunks.openedTo(trunk, '127.0.0.66'));
    await inbound.edge.provisioning.reload();
    const [contact] = [...registrar.bindings.keys()] as [string];
    const call = (): OutgoingCall => registrar.agent.invite({ uri: contact, sdp: audio.sdp });
    const dialog = await call().answered;
    const [invite] = fs.invites;
    t.equal(invite?.get('X-Voip-Carrier-Sid'), trunk.carrierSid);
    t.equal(invite?.get('X-Application-Sid'), SEED.applicationSid);
    await dialog.bye();

    let called: SipMessage | undefined;
    registrar.agent.onInvite((incoming) => {
      called = incoming.request;
      incoming.accept(audio.sdp);
    });
    const out = await dial(fs, server, trunk.carrierSid).dialog;
    t.match(called?.uri, /^sip:4930123456@carrier\.example/, 'the realm is called, by way of the gateway');
    out.destroy({}, () => {});
    await until('calls are gone', () => sbc.edge.calls.size === 0 && inbound.edge.calls.size === 0);

    await trunks.remove(trunk.carrierSid);
    await until('its calls are let in no more', async () => (await trunks.openedTo(trunk, '127.0.0.66')) === null);
    t.equal((await refusal(call())).status, 403);
  },
);
