import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createSrtpKey, SRTP_SUITES } from '@ringwire/rtp';
import t from 'tap';
import { PhoneMedia, startServer, TestCaller } from './test-peer.js';
import type { PhoneOptions, Teardown } from './test-phone.js';

const PROGRAM = '/usr/bin/rtpengine';
const skip = existsSync(PROGRAM) ? false : 'rtpengine is not installed';

/** What its control protocol carries (bencode). */
type Value = string | number | Value[] | { [key: string]: Value };

function encode(value: Value): string {
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`;
  if (typeof value === 'number') return `i${value}e`;
  if (Array.isArray(value)) return `l${value.map(encode).join('')}e`;
  const keys = Object.keys(value).sort();
  return `d${keys.map((key) => encode(key) + encode(value[key]!)).join('')}e`;
}

function decode(text: string, at = 0): [value: Value, next: number] {
  if (text[at] === 'i') {
    const end = text.indexOf('e', at);
    return [Number(text.slice(at + 1, end)), end + 1];
  }
  if (text[at] === 'l' || text[at] === 'd') {
    const items: Value[] = [];
    let next = at + 1;
    while (text[next] !== 'e') {
      const [item, after] = decode(text, next);
      items.push(item);
      next = after;
    }
    if (text[at] === 'l') return [items, next + 1];
    const pairs = items.flatMap((item, i) => (i % 2 === 0 ? [[String(item), items[i + 1]!] as const] : []));
    return [Object.fromEntries(pairs), next + 1];
  }
  const colon = text.indexOf(':', at);
  const end = colon + 1 + Number(text.slice(at, colon));
  return [text.slice(colon + 1, end), end];
}

type Ask = (command: string, parts?: { [key: string]: Value }) => Promise<{ [key: string]: Value }>;

/** A real rtpengine; resolves with what sends it commands. */
async function startRtpengine(t: Teardown): Promise<Ask> {
  const probe = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(resolve));
  const child = spawn(
    PROGRAM,
    [
      '--config-file=none',
      '--foreground',
      '--log-stderr',
      '--log-level=3',
      '--table=-1',
      '--interface=127.0.0.1',
      `--listen-ng=127.0.0.1:${port}`,
      '--port-min=14000',
      '--port-max=14399',
      '--num-threads=1',
    ],
    { stdio: 'ignore' },
  );
  t.teardown(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const socket = dgram.createSocket('udp4');
  t.teardown(() => socket.close());
  let cookies = 0;
  const ask: Ask = async (command, parts = {}) => {
    const cookie = `c${cookies++}`;
    const message = Buffer.from(`${cookie} ${encode({ command, ...parts })}`);
    for (;;) {
      socket.send(message, port, '127.0.0.1');
      // Not yet listening, or lost: again.
      const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(300) }).catch(() => []);
      if (!answer) continue;
      const text = (answer as Buffer).toString('latin1');
      if (text.startsWith(`${cookie} `)) return decode(text.slice(cookie.length + 1))[0] as { [key: string]: Value };
    }
  };
  await ask('ping');
  return ask;
}

type Totals = Record<'RTP' | 'RTCP', { packets: number; errors: number }>;

async function totalsOf(ask: Ask): Promise<Totals> {
  const { totals } = await ask('query', { 'call-id': 'call' });
  return totals as unknown as Totals;
}

async function errors(ask: Ask): Promise<number> {
  const { RTP, RTCP } = await totalsOf(ask);
  return RTP.errors + RTCP.errors;
}

const SUITE = SRTP_SUITES[1]!;

for (const [name, phone, towards] of [
  ["RTP's port", { rtcp: 'mux' }, 'RTP/AVP'],
  ['the next port', { rtcp: 'next port' }, 'RTP/AVP'],
  ["SRTP at the phone, RTP's port", { rtcp: 'mux', srtp: [createSrtpKey(SUITE)] }, 'RTP/AVP'],
  ['SRTP at the media server, the next port', { rtcp: 'next port' }, 'RTP/SAVP'],
] as const satisfies readonly (readonly [string, PhoneOptions, string])[]) {
  t.test(`rtcp through a real rtpengine: ${name}`, { skip }, async (t) => {
    const ask = await startRtpengine(t);
    const server = await startServer(t, ['--rtcp-interval-ms', '200']);
    const caller = await TestCaller.create(t, server);
    const media = await PhoneMedia.open(t, phone);
    const about = {
      'call-id': 'call',
      'from-tag': 'phone',
      ICE: 'remove',
      replace: ['origin'],
      'rtcp-mux': ['accept'],
    };
    const offered = await ask('offer', { ...about, sdp: media.offer(['PCMU']), 'transport-protocol': towards });
    t.equal(offered.result, 'ok');
    const outgoing = caller.agent.invite({
      uri: `sip:drachtio@${server.sip}`,
      sdp: String(offered.sdp),
      headers: { 'X-esl-outbound': `127.0.0.1:${caller.listenerPort}` },
    });
    const dialog = await outgoing.answered;
    t.match(dialog.remoteSdp, 'a=rtcp');
    const answered = await ask('answer', { ...about, 'to-tag': 'server', sdp: dialog.remoteSdp });
    t.equal(answered.result, 'ok');
    // Reports that came before it had the answer's keys are errors to it.
    const before = await errors(ask);
    media.start(String(answered.sdp));
    const { rtcp } = media;
    await media.until(() => rtcp.reportsReceived >= 5 && rtcp.roundTripMs !== undefined && rtcp.roundTripMs < 200);
    t.ok(rtcp.heard.block.cumulativeLost < 20, `${rtcp.heard.block.cumulativeLost} lost`);
    const stats = await server.channels.all()[0]!.leg.stats();
    t.ok(stats!.rtcpReportsIn >= 2, `${stats!.rtcpReportsIn} reports of the phone`);
    t.equal(stats!.rtcpBadPackets, 0);
    t.ok(stats!.roundTripMs > 0, `round trip ${stats!.roundTripMs} ms, as the server sees it`);
    t.ok(stats!.rtcpPeerPackets > 0);
    const totals = await totalsOf(ask);
    // On RTP's port it counts them as such.
    if (phone.rtcp === 'next port') t.ok(totals.RTCP.packets >= 8, `it has passed ${totals.RTCP.packets} on`);
    t.equal(await errors(ask), before);
    const goodbye = media.until(() => rtcp.isPeerGone);
    await dialog.bye();
    await goodbye;
    await ask('delete', { 'call-id': 'call', 'from-tag': 'phone' });
  });
}
