import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { until } from '@ringwire/common/testing/until.js';
import { encodeG711, tone, toneShare, ULAW_TO_LINEAR } from '@ringwire/rtp';
import { createUserAgent, type Dialog, type IncomingCall, type IncomingReinvite, type SipMessage } from '@ringwire/sip';
import { audioSdp } from './media.js';
import type { Teardown } from './stores.js';

const RTP_HEADER_BYTES = 12;
/** What is judged: a fifth of a second. */
const JUDGED_SAMPLES = 1_600;

async function openSocket(t: Teardown): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  return socket;
}

/** Somebody's end of a call, who sends one tone. */
export interface ToneParty {
  sdp: string;
  received(): number;
  /** Sends to where the SDP says until the test ends. */
  sendTo(sdp: string): void;
  stop(): void;
}

/** Opens one. */
export async function startTone(t: Teardown, hz: number): Promise<ToneParty> {
  const socket = await openSocket(t);
  let count = 0;
  socket.on('message', () => count++);
  const samples = tone(hz, 1_000, -12);
  let timer: NodeJS.Timeout | undefined;
  let target = 0;
  let sequence = 0;
  t.teardown(() => clearInterval(timer));
  return {
    stop: () => clearInterval(timer),
    sdp: audioSdp(socket.address().port),
    received: () => count,
    sendTo(sdp) {
      target = Number(/^m=audio (\d+)/m.exec(sdp)?.[1]);
      timer ??= setInterval(() => {
        const at = (sequence * 160) % samples.length;
        const packet = Buffer.alloc(RTP_HEADER_BYTES + 160);
        packet[0] = 0x80;
        packet.writeUInt16BE(++sequence & 0xffff, 2);
        packet.writeUInt32BE((sequence * 160) >>> 0, 4);
        packet.writeUInt32BE(hz, 8);
        encodeG711('PCMU', samples, at, 160, packet, RTP_HEADER_BYTES);
        socket.send(packet, target, '127.0.0.1');
      }, 20);
    },
  };
}

/** One INVITE or re-INVITE to a recording server. */
export interface RecordingOffer {
  request: SipMessage;
  sdp: string;
  metadata: string;
}

/** A recording server (RFC 7866) that takes two streams of G.711. */
export interface RecordingServer {
  readonly uri: string;
  /** INVITEs and re-INVITEs, in order. */
  readonly offers: RecordingOffer[];
  /** The session that runs, or ran last. */
  dialog: Dialog | undefined;
  /** What it does with an INVITE; by default it takes it. */
  behave: (call: IncomingCall) => void;
  /** Packets that came, of both streams. */
  received(): number;
  /** Resolves when the stream (0: the caller's) is this tone and nothing else. */
  hears(stream: 0 | 1, hz: number): Promise<void>;
  accept(call: IncomingCall, headers?: Record<string, string>): void;
  /** What it does with a re-INVITE, in place of taking it. */
  onReinvite?: (reinvite: IncomingReinvite) => void;
}

function readOffer(request: SipMessage): RecordingOffer {
  const [, boundary = ''] = /boundary="?([^";]+)/.exec(request.get('Content-Type') ?? '') ?? [];
  const parts = request.bodyText.split(`--${boundary}`);
  const part = (type: string): string =>
    parts.find((one) => new RegExp(`^Content-Type: ${type}`, 'im').test(one))?.replace(/^[\s\S]*?\r\n\r\n/, '') ?? '';
  return { request, sdp: part('application/sdp'), metadata: part('application/rs-metadata\\+xml') };
}

/** Opens one; it goes away with the test. */
export async function startRecordingServer(t: Teardown): Promise<RecordingServer> {
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.4', port: 0 }], user: 'srs' });
  t.teardown(() => agent.stop());
  const sockets = [await openSocket(t), await openSocket(t)];
  const heard: Int16Array[] = sockets.map(() => new Int16Array(JUDGED_SAMPLES));
  let count = 0;
  for (const [stream, socket] of sockets.entries()) {
    socket.on('message', (packet) => {
      count++;
      if ((packet[1]! & 0x7f) !== 0) return;
      const samples = Int16Array.from(packet.subarray(RTP_HEADER_BYTES), (byte) => ULAW_TO_LINEAR[byte]!);
      const kept = heard[stream]!;
      kept.copyWithin(0, samples.length);
      kept.set(samples, kept.length - samples.length);
    });
  }
  const answer = (offer: string): string => {
    const direction = offer.includes('a=inactive') ? 'inactive' : 'recvonly';
    const streams = sockets.map((socket) =>
      [`m=audio ${socket.address().port} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000', `a=${direction}`].join('\r\n'),
    );
    return `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${streams.join('\r\n')}\r\n`;
  };
  const { host, port } = agent.addresses[0]!;
  const server: RecordingServer = {
    uri: `sip:srs@${host}:${port}`,
    offers: [],
    dialog: undefined,
    behave: (call) => server.accept(call),
    received: () => count,
    hears: (stream, hz) =>
      until(`${hz} Hz in stream ${stream + 1}`, () => toneShare(heard[stream]!, hz) > 0.9 || undefined).then(() => {}),
    accept(call, headers = {}) {
      server.dialog = call.accept(answer(readOffer(call.request).sdp), { headers });
      server.dialog?.on('reinvite', (reinvite: IncomingReinvite) => {
        const offer = readOffer(reinvite.request);
        server.offers.push(offer);
        if (server.onReinvite) server.onReinvite(reinvite);
        else reinvite.accept(answer(offer.sdp));
      });
    },
  };
  agent.onInvite((call) => {
    server.offers.push(readOffer(call.request));
    server.behave(call);
  });
  return server;
}
