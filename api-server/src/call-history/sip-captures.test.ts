import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createEventSink, createTimeline, storeEvents } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';
import { readEvents } from '../testing/client.js';
import { mergePcaps } from './merge-pcaps.js';
import { entriesFrom, parseCaptureUrls } from './sip-captures.js';

const NOW_US = Math.round(Date.now() * 1000);
let seq = 0;
const rung = (direction: 'in' | 'out', src: string, dst: string, line: string, atUs: number) => ({
  ...{
    seq: seq++,
    at_us: atUs,
    direction,
    transport: 'udp',
    src,
    dst,
    call_id: 'c',
    first_line: line,
    cseq: '1 INVITE',
  },
  ...{ body_type: null, bytes: 100 },
});
const [PHONE, EDGE, CORE] = ['192.0.2.1:5062', '127.0.0.1:5060', '127.0.0.1:5070'];
const INVITE = 'INVITE sip:555@example.com SIP/2.0';
const edgeRungs = [
  rung('in', PHONE, EDGE, INVITE, NOW_US + 1),
  rung('out', EDGE, CORE, INVITE, NOW_US + 2_000),
  rung('in', CORE, EDGE, 'SIP/2.0 200 OK', NOW_US + 9_000),
];
const coreRungs = [
  rung('in', EDGE, CORE, INVITE, NOW_US + 2_100),
  rung('out', CORE, EDGE, 'SIP/2.0 200 OK', NOW_US + 8_900),
];

t.test(
  'SIP messages: one between two of our servers is told once, with their names, in the order of time',
  async (t) => {
    const ladders = [
      { name: 'core', rungs: coreRungs },
      { name: 'edge', rungs: edgeRungs },
    ];
    t.same(
      entriesFrom(ladders).map(({ text }) => text),
      [
        `${PHONE} → edge: INVITE sip:555@example.com`,
        'edge → core: INVITE sip:555@example.com',
        'core → edge: 200 OK (INVITE)',
      ],
    );
    t.same(entriesFrom([]), []);
  },
);

t.test('SIP messages: wrong addresses of SIP servers are refused with the name of the variable', async (t) => {
  t.same(parseCaptureUrls(' edge=http://h:1/ , core=https://k '), [
    { name: 'edge', url: 'http://h:1' },
    { name: 'core', url: 'https://k' },
  ]);
  t.same(parseCaptureUrls(undefined), []);
  for (const wrong of ['http://h:1', 'edge=h:1', 'edge=http://', 'e dge=http://h']) {
    t.throws(() => parseCaptureUrls(wrong), /SIP_CAPTURE_URLS/);
  }
});

/** A file as the SIP servers write it. */
const pcap = (...packets: Array<[atUs: number, content: string]>): Buffer => {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  const records = packets.map(([atUs, content]) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(atUs / 1e6), 0);
    record.writeUInt32LE(atUs % 1e6, 4);
    record.writeUInt32LE(content.length, 8);
    record.writeUInt32LE(content.length, 12);
    return Buffer.concat([record, Buffer.from(content)]);
  });
  return Buffer.concat([header, ...records]);
};

t.test(
  'pcap: files are merged in the order of time; a packet that both ends saw is kept once, a repeated one twice',
  async (t) => {
    const edge = pcap([1_000_000, 'a'], [2_000_000, 'b'], [2_500_000, 'b'], [9_000_000, 'a']);
    const core = pcap([2_000_100, 'b'], [2_500_100, 'b'], [3_000_000, 'c'], [5_000_000, 'a']);
    t.same(
      mergePcaps([edge, core]),
      pcap([1_000_000, 'a'], [2_000_000, 'b'], [2_500_000, 'b'], [3_000_000, 'c'], [5_000_000, 'a'], [9_000_000, 'a']),
    );
    t.same(mergePcaps([edge.subarray(0, 50), Buffer.alloc(0)]), pcap([1_000_000, 'a']), 'a file that is cut off');
    t.same(mergePcaps([]), Buffer.alloc(24));
  },
);

t.test('API with a SIP server whose messages are remembered', async (t) => {
  const asked: URL[] = [];
  // Speaks as the HTTP port of a SIP server does; the end-to-end suite has real ones.
  const captures = createServer((req, res) => {
    const url = new URL(req.url ?? '', 'http://x');
    asked.push(url);
    if (!url.pathname.startsWith('/calls/live')) res.writeHead(404).end('{}');
    else if (url.pathname.endsWith('/pcap')) res.end(pcap([NOW_US, 'x']));
    else res.end(JSON.stringify({ messages: edgeRungs }));
  });
  await new Promise<void>((resolve) => captures.listen(0, '127.0.0.1', resolve));
  t.teardown(() => captures.close());
  const url = `http://127.0.0.1:${(captures.address() as AddressInfo).port}`;
  const api = await startTestApi({
    sipCaptures: [
      { name: 'edge', url },
      { name: 'dead', url: 'http://127.0.0.1:1' },
    ],
  });
  t.teardown(() => api.stop());
  const { server, account, stranger } = api;
  const call = (callSid: string) => ({
    ...{ callSid, accountSid: SEED.accountSid, serviceProviderSid: SEED.serviceProviderSid, applicationSid: null },
    ...{
      voipCarrierSid: null,
      direction: 'inbound' as const,
      from: '1',
      to: '2',
      sipCallId: `${callSid}@x`,
      trunk: 't',
    },
    ...{ remoteHost: '192.0.2.1', host: 'h', attemptedAt: NOW_US / 1000, owner: 'edge' },
  });
  await storeEvents(
    api.db,
    ['live-1', 'forgotten'].map((sid) => ({
      id: `s-${sid}`,
      type: 'call.started',
      at: 1,
      source: 'x',
      data: call(sid),
    })),
  );
  const path = (id: string, method = 'invite') => `/v1/Accounts/${SEED.accountSid}/RecentCalls/${id}/${method}/pcap`;

  await t.test(
    'timeline: SIP messages stand among the other entries, and one server that is away costs only its own',
    async (t) => {
      const answer = await account('GET', `/v1/Accounts/${SEED.accountSid}/Calls/live-1/Timeline`);
      const { entries } = answer.body as { entries: Array<{ kind: string; text: string; data: { wire?: boolean } }> };
      t.equal(entries.filter(({ data }) => data.wire).length, 3);
      t.equal(asked.at(-1)?.searchParams.get('also'), 'live-1@x');
      t.ok(Number(asked.at(-1)?.searchParams.get('since_us')) < NOW_US);
    },
  );

  await t.test('timeline: somebody who looks on gets SIP messages live, each once, in the order of time', async (t) => {
    const sink = createEventSink({ redis: api.redis, source: 'test:1', logger: api.logger });
    t.teardown(() => sink.close());
    const response = await fetch(`${server.url}/v1/Accounts/${SEED.accountSid}/Calls/live-1/Timeline`, {
      headers: { authorization: `Bearer ${SEED.accountToken}`, accept: 'text/event-stream' },
    });
    const timeline = createTimeline(sink, { callSid: 'live-1', sipCallId: 'live-1@x', accountSid: SEED.accountSid });
    timeline.info('verb', 'say');
    timeline.info('call', 'over', { final: true });
    const texts: unknown[] = [];
    for await (const entry of readEvents(response)) texts.push(entry.text);
    t.same(texts, [...entriesFrom([{ name: 'edge', rungs: edgeRungs }]).map(({ text }) => text), 'say', 'over']);
  });

  await t.test('pcap: of the account’s own calls only, while the messages are remembered', async (t) => {
    const fetched = await fetch(`${server.url}${path('live-1@x')}`, {
      headers: { authorization: `Bearer ${SEED.accountToken}` },
    });
    t.equal(fetched.status, 200);
    t.match(fetched.headers.get('content-disposition'), 'callid-live-1.pcap');
    t.same(Buffer.from(await fetched.arrayBuffer()), pcap([NOW_US, 'x']));
    t.equal((await account('GET', path('forgotten'))).status, 404);
    t.equal((await account('GET', path('unknown'))).status, 404);
    t.equal((await account('GET', path('live-1', 'register'))).status, 404);
    t.equal((await account('GET', path('live-1', 'bye'))).status, 400);
    const count = asked.length;
    t.ok([403, 404].includes((await stranger('GET', path('live-1'))).status));
    t.equal(asked.length, count, 'a stranger’s request asks nobody');
  });

  await t.test('pcap: 503 when no SIP server answers', async (t) => {
    captures.closeAllConnections();
    captures.close();
    t.equal((await account('GET', path('live-1'))).status, 503);
  });
});
