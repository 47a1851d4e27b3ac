import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { endpointOfUri } from './destination.js';
import { SipMessage } from './message.js';
import { orderByWeight, SipResolver } from './resolver.js';
import { startDns, type Zone } from './test-dns.js';
import type { TransportName } from './transport.js';
import { createUserAgent, type UserAgent, type UserAgentOptions } from './user-agent.js';

type Teardown = { teardown(fn: () => unknown): void };

const ZONE: Zone = {
  A: {
    'none.test': ['192.0.2.13'],
    'a.test': ['192.0.2.1', '192.0.2.2'],
    'one.test': ['192.0.2.11'],
    'two.test': ['192.0.2.12'],
  },
  AAAA: { 'one.test': ['::b'] },
  SRV: {
    '_sip._udp.srv.test': [
      { priority: 20, weight: 0, port: 5082, target: 'two.test' },
      { priority: 10, weight: 0, port: 5081, target: 'one.test' },
    ],
    '_sip._tcp.srv.test': [{ priority: 1, weight: 0, port: 5091, target: 'one.test' }],
    '_sips._tcp.srv.test': [{ priority: 1, weight: 0, port: 5061, target: 'two.test' }],
    '_sip._tcp.naptr.test': [{ priority: 1, weight: 0, port: 5070, target: 'two.test' }],
    '_sip._udp.naptr.test': [{ priority: 1, weight: 0, port: 5071, target: 'one.test' }],
    '_sip._udp.none.test': [{ priority: 0, weight: 0, port: 0, target: '' }],
  },
  NAPTR: {
    'naptr.test': [
      { order: 2, preference: 1, service: 'SIP+D2U', replacement: '_sip._udp.naptr.test' },
      { order: 1, preference: 9, service: 'SIP+D2T', replacement: '_sip._tcp.naptr.test' },
      { order: 1, preference: 1, service: 'SIP+D2S', replacement: '_sip._sctp.naptr.test' },
    ],
  },
};

async function resolver(t: Teardown, families = [4], transports: TransportName[] = ['udp', 'tcp', 'tls']) {
  const { server, asked } = await startDns(t, ZONE);
  const made = new SipResolver({ servers: [server] }, (transport, family) => {
    return families.includes(family) && transports.includes(transport);
  });
  t.teardown(() => made.close());
  const find = async (uri: string): Promise<string[]> => {
    const targets = await made.targets(endpointOfUri(uri)!);
    return targets.map((to) => `${to.transport} ${to.host}:${to.port}${to.serverName ? ` ${to.serverName}` : ''}`);
  };
  return { find, asked };
}

t.test('dns: each form of URI is looked up as RFC 3263 says', async (t) => {
  const { find } = await resolver(t);
  t.same(await find('sip:a.test'), ['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060']);
  t.same(await find('sip:a.test:5090;transport=tcp'), ['tcp 192.0.2.1:5090', 'tcp 192.0.2.2:5090']);
  t.same(await find('sip:srv.test:5060'), [], 'a port rules SRV out');
  t.same(await find('sip:srv.test;transport=udp'), ['udp 192.0.2.11:5081', 'udp 192.0.2.12:5082']);
  t.same(await find('sips:srv.test'), ['tls 192.0.2.12:5061 srv.test']);
  t.same(await find('sip:srv.test'), [
    'udp 192.0.2.11:5081',
    'udp 192.0.2.12:5082',
    'tcp 192.0.2.11:5091',
    'tls 192.0.2.12:5061 srv.test',
  ]);
  t.same(await find('sip:naptr.test'), ['tcp 192.0.2.12:5070', 'udp 192.0.2.11:5071']);
  t.same(await find('sip:nowhere.test'), []);
});

t.test(
  'dns: an SRV target of "." says that there is no such service: the address of the name is not asked for',
  async (t) => {
    const { find, asked } = await resolver(t);
    t.same(await find('sip:none.test;transport=udp'), []);
    t.same(asked, ['SRV _sip._udp.none.test']);
    t.same(await find('sip:none.test;transport=tcp'), ['tcp 192.0.2.13:5060'], 'of another service nothing is said');
  },
);

t.test('dns: maddr says where a request goes in place of the host (RFC 3263 §4)', async (t) => {
  const { find } = await resolver(t);
  t.same(await find('sip:a.test;maddr=192.0.2.99'), ['udp 192.0.2.99:5060']);
  t.same(await find('sip:user@nowhere.test:5090;maddr=one.test;transport=tcp'), ['tcp 192.0.2.11:5090']);
  t.equal(endpointOfUri('sip:a.test;maddr=[2001:db8::1]')?.host, '2001:db8::1');
  t.equal(endpointOfUri('sip:a.test;maddr')?.host, 'a.test');
});

t.test('dns: only what we speak is found', async (t) => {
  const { find } = await resolver(t, [4, 6], ['udp']);
  t.same(await find('sip:naptr.test'), ['udp 192.0.2.11:5071', 'udp ::b:5071']);
  const six = await resolver(t, [6]);
  t.same(await six.find('sip:one.test:5060'), ['udp ::b:5060']);
  t.same(await six.find('sip:two.test:5060'), []);
});

t.test('dns: an answer is kept for 30 s, that there is none for 5 s', async (t) => {
  const { server, asked } = await startDns(t, ZONE);
  let nowMs = 0;
  const made = new SipResolver(
    { servers: [server] },
    (_transport, family) => family === 4,
    () => nowMs,
  );
  t.teardown(() => made.close());
  const find = async (uri: string): Promise<number> => (await made.targets(endpointOfUri(uri)!)).length;
  t.same([await find('sip:a.test:5060'), await find('sip:A.test:5060')], [2, 2]);
  t.same([await find('sip:nowhere.test:5060'), await find('sip:nowhere.test:5060')], [0, 0]);
  t.same(asked, ['A a.test', 'A nowhere.test']);
  nowMs = 5001;
  await find('sip:a.test:5060');
  await find('sip:nowhere.test:5060');
  t.same(asked.slice(2), ['A nowhere.test']);
  nowMs = 30_001;
  await find('sip:a.test:5060');
  t.same(asked.slice(3), ['A a.test']);
});

t.test('dns: servers that never answer cost bounded time, and the request fails', async (t) => {
  const mute = createSocket('udp4').bind(0, '127.0.0.1');
  await once(mute, 'listening');
  t.teardown(() => mute.close());
  const servers = [`127.0.0.1:${mute.address().port}`];
  const ua = await agent(t, { dns: { servers, timeoutMs: 10_000, deadlineMs: 50 } });
  t.equal(await ua.request({ method: 'OPTIONS', uri: 'sip:x@late.test' }), undefined);
});

t.test('dns: equal priorities are drawn by weight', (t) => {
  const records = [
    { name: 'later', priority: 2, weight: 9 },
    { name: 'heavy', priority: 1, weight: 3 },
    { name: 'light', priority: 1, weight: 1 },
    { name: 'none', priority: 1, weight: 0 },
  ];
  const drawn = (point: number): string[] => orderByWeight(records, () => point).map(({ name }) => name);
  t.same(drawn(0), ['light', 'heavy', 'none', 'later']);
  t.same(drawn(0.5), ['heavy', 'light', 'none', 'later']);
  t.end();
});

async function agent(t: Teardown, options: Partial<UserAgentOptions> = {}): Promise<UserAgent> {
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const made = await createUserAgent({ listen, timers: { T1: 20 }, ...options });
  t.teardown(() => made.stop());
  return made;
}

/** A name whose SRV records lead to these ports in order. */
async function agentWithSrv(t: Teardown, ports: number[], transport: 'udp' | 'tcp'): Promise<UserAgent> {
  const { server } = await startDns(t, {
    A: { 'lo.test': ['127.0.0.1'] },
    SRV: {
      [`_sip._${transport}.carrier.test`]: ports.map((port, priority) => ({
        priority,
        port,
        weight: 0,
        target: 'lo.test',
      })),
    },
  });
  return await agent(t, { dns: { servers: [server] } });
}

t.test('failover: a UDP address that does not answer is followed by the next', async (t) => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => silent.close());
  const callee = await agent(t);
  const caller = await agentWithSrv(t, [silent.address().port, callee.addresses[0]!.port], 'udp');
  const branches = new Set<string>();
  callee.onRequest((transaction) => {
    branches.add(transaction.request.get('Via')!);
    transaction.reply(200);
  });
  t.equal((await caller.request({ method: 'OPTIONS', uri: 'sip:x@carrier.test;transport=udp' }))?.status, 200);
  t.equal(caller.counters.failovers, 1);
  t.equal(branches.size, 1);
});

t.test('failover: a refused TCP connection is followed by the next address', async (t) => {
  const callee = await agent(t);
  const caller = await agentWithSrv(t, [1, callee.addresses[1]!.port], 'tcp');
  t.equal((await caller.request({ method: 'OPTIONS', uri: 'sip:x@carrier.test;transport=tcp' }))?.status, 200);
  t.equal(caller.counters.failovers, 1);
});

t.test('failover: 503 to an INVITE is acknowledged and the next address gets a new INVITE', async (t) => {
  const [busy, free] = [await agent(t), await agent(t)];
  const branches: Array<string | undefined> = [];
  busy.onInvite((call) => {
    branches.push(call.request.get('Via'));
    call.reject(503);
  });
  free.onInvite((call) => {
    branches.push(call.request.get('Via'));
    call.accept('v=0 answer');
  });
  const caller = await agentWithSrv(t, [busy.addresses[0]!.port, free.addresses[0]!.port], 'udp');
  const dialog = await caller.invite({ uri: 'sip:x@carrier.test;transport=udp', sdp: 'v=0 offer' }).answered;
  t.equal((await dialog.bye())?.status, 200);
  t.not(branches[0], branches[1]);
  while (busy.layer.gauges.serverTransactions > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(busy.counters.timeouts, 0, 'its 503 was acknowledged');
  while (caller.layer.gauges.clientTransactions > 0) await new Promise((resolve) => setImmediate(resolve));
});

t.test('failover: when all have refused, the last answer counts; a name without address fails', async (t) => {
  const busy = await agent(t);
  busy.onRequest((transaction) => transaction.reply(503));
  const { port } = busy.addresses[0]!;
  const caller = await agentWithSrv(t, [port, port], 'udp');
  t.equal((await caller.request({ method: 'OPTIONS', uri: 'sip:x@carrier.test;transport=udp' }))?.status, 503);
  t.equal(caller.counters.failovers, 1);
  t.equal(await caller.request({ method: 'OPTIONS', uri: 'sip:x@nobody.test' }), undefined);
  while (caller.layer.gauges.clientTransactions > 0) await new Promise((resolve) => setImmediate(resolve));
});

const LARGE = { body: 'x'.repeat(1400), contentType: 'text/plain' };

t.test('large: a request over 1300 bytes goes over TCP unless its URI says udp', async (t) => {
  const [caller, callee] = [await agent(t), await agent(t)];
  const vias: Array<string | undefined> = [];
  callee.onRequest((transaction) => {
    vias.push(transaction.request.get('Via')?.slice(0, 12));
    transaction.reply(200);
  });
  const uri = `sip:x@127.0.0.1:${callee.addresses[0]!.port}`;
  t.equal((await caller.request({ method: 'MESSAGE', uri, content: LARGE }))?.status, 200);
  t.equal((await caller.request({ method: 'MESSAGE', uri: `${uri};transport=udp`, content: LARGE }))?.status, 200);
  t.equal((await caller.request({ method: 'MESSAGE', uri }))?.status, 200);
  t.same(vias, ['SIP/2.0/TCP ', 'SIP/2.0/UDP ', 'SIP/2.0/UDP ']);
});

t.test('large: where TCP is refused the request goes over UDP, the next one at once', async (t) => {
  const caller = await agent(t);
  const callee = await agent(t, { listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
  callee.onRequest((transaction) => transaction.reply(200));
  const request = { method: 'MESSAGE', uri: callee.contactUri(), content: LARGE };
  t.equal((await caller.request(request))?.status, 200);
  t.equal(caller.counters.failovers, 1);
  t.equal((await caller.request(request))?.status, 200);
  t.equal(caller.counters.failovers, 1);
});

t.test('failover: the ACK of a 2xx goes to the next address where one does not take it', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const refusing = (closed.address() as { port: number }).port;
  closed.close();
  await once(closed, 'close');
  const callee = await agent(t);
  const caller = await agentWithSrv(t, [refusing, callee.layer.addressFor('tcp').port], 'tcp');
  const ack = SipMessage.request('ACK', 'sip:x@carrier.test;transport=tcp')
    .add('From', '<sip:a@h>;tag=a')
    .add('To', '<sip:b@h>;tag=b')
    .add('Call-ID', 'ack')
    .add('CSeq', '1 ACK');
  caller.layer.sendAck(ack);
  while (callee.counters.strayAcks === 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(caller.counters.failovers, 1);
});
