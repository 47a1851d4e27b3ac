import { callPlacesKey } from '@ringwire/common';
import type { SipDialog } from '@ringwire/common/sip/stack.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { startCaller } from '@ringwire/sbc-inbound/testing/caller.js';
import { metric, openSbc, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { openSeededDatabase, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { Dialog } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound } from './sbc-outbound.js';

t.setTimeout(200_000);

t.test(
  'a call out beyond the limit of its account is refused with 503, and a place is free again at the end',
  async (t) => {
    const stores = await startStores(t);
    const db = openSeededDatabase(stores.env);
    await db.execute('INSERT INTO account_limits (account_limits_sid, account_sid, category, quantity) VALUES (?)', [
      ['limit-1', SEED.accountSid, 'voice_call_session', 1],
    ]);
    await db.close();
    const server = await startServerProcess(t);
    const fs = await startFeatureServer(t, stores, 'fs-one');
    const sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
    await sbc.edge.featureServers.refresh();
    const callee = await startCaller(t, '127.0.0.3');
    const answered: Dialog[] = [];
    callee.agent.onInvite((incoming) => {
      const dialog = incoming.accept(callee.audio.sdp);
      if (dialog) answered.push(dialog);
    });
    const { host, port } = callee.agent.addresses[0]!;
    const place = (callSid: string): Promise<SipDialog> =>
      fs.stack.createUAC(
        `sip:bob@${host}:${port}`,
        {
          localSdp: fs.sdp,
          proxy: `sip:127.0.0.1:${server.sipPort}`,
          headers: {
            From: '<sip:15550002222@localhost>',
            'X-Account-Sid': SEED.accountSid,
            'X-Call-Sid': callSid,
            'X-Jambonz-Routing': 'sip',
          },
        },
        { cbRequest: () => {}, cbProvisional: () => {} },
      ) as Promise<SipDialog>;
    const count = () =>
      stores.redis.zcard(callPlacesKey(SEED.serviceProviderSid, 'outbound', 'account', SEED.accountSid));

    const first = await place('call-1');
    t.equal(await count(), 1);
    const refused = await place('call-2').then(
      () => undefined,
      (error: { status: number; res: { reason: string; get(name: string): string } }) => error,
    );
    t.equal(refused?.status, 503);
    t.equal(refused?.res.reason, 'Max Account Calls In Progress');
    t.equal(refused?.res.get('X-Reason'), 'Max Account Calls In Progress');
    t.equal(refused?.res.get('X-Account-Sid'), SEED.accountSid);
    t.equal(refused?.res.get('X-Call-Limit'), '1');
    t.equal(answered.length, 1, 'the callee heard nothing of it');
    t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'call-limit' }), 1);
    const alert = await until('the alert', async () => (await stores.events()).find(({ type }) => type === 'alert'));
    t.match(alert.data, { alertType: 'account-call-limit', targetSid: SEED.accountSid });
    t.match(
      await until('the record', async () => (await stores.events()).find((event) => event.type === 'call.ended')),
      {
        data: { callSid: 'call-2', sipStatus: 503, terminationReason: 'failed' },
      },
    );
    first.destroy({}, () => {});
    await until('the place is free', async () => (await count()) === 0);
    const next = await place('call-3');
    next.destroy({}, () => {});
    await until('nothing is left', async () => (await stores.redis.keys('ringwire:call-places:*')).length === 0);
  },
);
