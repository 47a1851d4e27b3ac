import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Alert } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import { test } from 'tap';
import { startMessagingRig } from '../testing/messaging-rig.js';
import { acceptAll, startSmppCarrier } from '../testing/smpp-carrier.js';
import type { PDU, Session } from './smpp-library.js';

test('sending messages', async (t) => {
  const rig = await startMessagingRig(t);
  t.beforeEach(() => rig.clear());

  await t.test('an account whose carrier does not answer does not stop the messages of others', async (t) => {
    const [silent, good] = [await startSmppCarrier(t), await startSmppCarrier(t)];
    silent.onSubmit = () => undefined;
    const carriers = [
      { smpp: [{ port: silent.port, windowSize: 1_000 }] },
      { smpp: [good], carrier: { accountSid: 'other' } },
    ];
    const { messaging } = await rig.start(t, carriers, { timings: { responseMs: 60_000 } });
    await until('it is bound', () => messaging.carriers.linkOf('c1')?.isBound);
    await Promise.all(Array.from({ length: 300 }, () => rig.submit()));
    await until('some hang', () => silent.submitted.length >= 50);
    const message = await rig.submit({ accountSid: 'other', serviceProviderSid: 'other' });
    t.match(await rig.outcome(message), { status: 'sent', voipCarrierSid: 'c2' });
    t.ok(silent.submitted.length <= 100, `${silent.submitted.length} hang`);
    silent.onSubmit = acceptAll();
    silent.dropLinks();
    await until('the rest is sent when the carrier is back', async () => (await rig.queue.size()) === 0);
    t.equal(silent.submitted.length, 300);
  });

  await t.test(
    'premium numbers get no messages while nobody allows them; too many in a minute block the account',
    async (t) => {
      const gateway = await startSmppCarrier(t);
      const limits = {
        ...{ callsPerMinute: null, callsPerHour: null, messagesPerHour: null },
        ...{ expensivePrefixesPerHour: null, expensiveRateMicros: null },
      };
      const policy = {
        ownerSid: 'slow',
        setBy: 'operator' as const,
        defaultAction: 'allow' as const,
        highRiskAction: 'deny' as const,
        destinations: [],
        limits: { ...limits, messagesPerMinute: 2, blockMinutes: 60 },
      };
      await rig.start(t, [{ smpp: [gateway] }], { fraudPolicies: [policy] });
      t.match(await rig.outcome(await rig.submit({ to: '19005551234' })), {
        status: 'failed',
        reason: 'destination-denied',
        detail: /premium.*built-in list/,
      });
      const send = async () => (await rig.outcome(await rig.submit({ serviceProviderSid: 'slow' }))).reason;
      t.same(
        [await send(), await send(), await send(), await send()],
        [null, null, 'account-blocked', 'account-blocked'],
      );
      t.equal(gateway.submitted.length, 2);
      const alerts = (await rig.events('alert')).map(({ data }) => (data as Alert).alertType);
      t.same(alerts, ['toll-fraud-destination', 'toll-fraud-block']);
    },
  );

  await t.test('a link whose gateway is changed is kept for the answers that are to come', async (t) => {
    const gateway = await startSmppCarrier(t);
    const waiting: { pdu: PDU; session: Session }[] = [];
    gateway.onSubmit = (pdu, session) => void waiting.push({ pdu, session });
    const { change } = await rig.start(t, [{ smpp: [{ port: gateway.port }] }], { timings: { responseMs: 60_000 } });
    const message = await rig.submit();
    await until('it is on its way', () => waiting.length === 1);
    gateway.onSubmit = acceptAll();
    change([{ smpp: [{ port: gateway.port, maxPerSecond: 50 }] }]);
    await until('the new link is bound', () => gateway.sessions.length === 2);
    t.match(await rig.outcome(await rig.submit()), { status: 'sent' }, 'over the new link');
    const [first] = waiting;
    first?.session.send(first.pdu.response({ message_id: 'late' }));
    t.match(await rig.outcome(message), { status: 'sent', carrierMessageIds: ['late'] });
    await until('the old link is gone', () => gateway.sessions.length === 1);
    t.not(gateway.sessions[0], first?.session);
  });

  await t.test('a message that was taken in part over SMPP goes on there when its carrier gets HTTP', async (t) => {
    const gateway = await startSmppCarrier(t);
    let requests = 0;
    const vendor = createServer((_, response) => {
      requests += 1;
      response.writeHead(201, { 'content-type': 'application/json' }).end('{"sid":"SM1"}');
    });
    vendor.listen(0, '127.0.0.1');
    await once(vendor, 'listening');
    t.teardown(() => {
      vendor.closeAllConnections();
      vendor.close();
    });
    const message = await rig.submit({ text: 'a'.repeat(400) });
    const [taken] = await rig.queue.take(1, 60_000);
    const progress = { voipCarrierSid: 'c1', reference: 7, carrierMessageIds: ['first'] };
    await rig.queue.update(taken!, { ...taken!.item, progress }, 0);
    const baseUrl = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`;
    await rig.start(t, [{ smpp: [gateway], http: { baseUrl } }]);
    t.match(await rig.outcome(message), { status: 'sent', carrierMessageIds: ['first', 'id-1', 'id-2'] });
    t.equal(gateway.submitted.length, 2);
    t.equal(requests, 0);
  });
});
