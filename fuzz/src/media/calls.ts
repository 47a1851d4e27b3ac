import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CODEC_IDS, type CodecId, codecFormat, SRTP_SUITES, type SrtpKey } from '@ringwire/rtp';
import { createUserAgent, type Dialog, type UserAgent } from '@ringwire/sip';
import { EslLink } from './esl-link.js';
import { encodePayloads, RtpSource } from './rtp-source.js';
import type { ServerProcess } from './server-process.js';

const HOST = '127.0.0.1';
const FIRST_DYNAMIC = 96;
/** Payload types that our offers give to codecs without one of their own. */
const DYNAMIC: Partial<Record<CodecId, number>> = { opus: 96, 'L16@16000h': 97, 'L16@8000h': 98 };
const PACKET_TIMES = [20, 10, 30, 40];
const READY_MS = 10_000;
const BYE_MS = 2000;
const MAX_PORT_TRIES = 50;

/** A call of ours: its signalling, its event socket and the sockets that its media come from. */
export interface FuzzCall {
  uuid: string;
  codec: CodecId;
  dialog: Dialog;
  esl: EslLink;
  /** RTP and, unless it shares that port, RTCP; each with where it goes. */
  rtp: Socket;
  rtpPort: number;
  rtcp: Socket;
  rtcpPort: number;
  source: RtpSource;
  /** Audio that came, oldest given up first; only of probes. */
  onRtp?: (datagram: Buffer) => void;
}

/** How a call is to be. */
export interface CallSpec {
  codec: CodecId;
  ptimeMs?: number;
  suite?: number | undefined;
  mux?: boolean;
  /** Makes its keys. */
  salt: number;
}

/** The different calls of a run, by their number. */
export function specOf(index: number): CallSpec {
  return {
    codec: CODEC_IDS[index % CODEC_IDS.length]!,
    ptimeMs: PACKET_TIMES[Math.floor(index / CODEC_IDS.length) % PACKET_TIMES.length]!,
    suite: index % 4 === 3 ? Math.floor(index / 4) % SRTP_SUITES.length : undefined,
    mux: index % 2 === 1,
    salt: index,
  };
}

/** Places genuine calls. */
export class Caller {
  private readonly expected = new Map<string, (arrival: { esl: EslLink; uuid: string }) => void>();
  private readonly payloads = new Map<CodecId, Buffer[]>();

  private constructor(
    private readonly server: ServerProcess,
    private readonly agent: UserAgent,
    private readonly listener: Server,
  ) {
    listener.on('connection', (socket) => void this.welcome(new EslLink(socket)));
  }

  static async start(server: ServerProcess): Promise<Caller> {
    const agent = await createUserAgent({ listen: [{ transport: 'udp', host: HOST, port: 0 }] });
    const listener = createServer().listen(0, HOST);
    await once(listener, 'listening');
    const caller = new Caller(server, agent, listener);
    for (const id of CODEC_IDS) caller.payloads.set(id, await encodePayloads(id));
    return caller;
  }

  /** Places one; resolves when it is answered and its event socket is there. @throws when it is not, in time */
  async call(spec: CallSpec): Promise<FuzzCall> {
    const { rtp, rtcp, port } = await bindPair();
    const key = keyOf(spec);
    const payloadType = DYNAMIC[spec.codec] ?? codecFormat(spec.codec).payloadType;
    const outgoing = this.agent.invite({
      uri: `sip:fuzz@${this.server.sip.host}:${this.server.sip.port}`,
      sdp: offer(spec, payloadType, port, key),
      headers: { 'X-esl-outbound': `${HOST}:${(this.listener.address() as AddressInfo).port}` },
    });
    const over = new AbortController();
    const late = sleep(READY_MS, undefined, { signal: over.signal }).then(() => {
      throw new Error(`a good call is not ready within ${READY_MS} ms`);
    });
    late.catch(() => {});
    const arrival = new Promise<{ esl: EslLink; uuid: string }>((resolve) =>
      this.expected.set(outgoing.callId, resolve),
    );
    let dialog: Dialog | undefined;
    try {
      dialog = await Promise.race([outgoing.answered, late]);
      const { esl, uuid } = await Promise.race([arrival, late]);
      const answer = dialog.remoteSdp;
      const rtpPort = Number(/^m=audio (\d+)/m.exec(answer)?.[1]);
      const isMuxed = /^a=rtcp-mux/m.test(answer);
      const rtcpPort = isMuxed ? rtpPort : Number(/^a=rtcp:(\d+)/m.exec(answer)?.[1] ?? rtpPort + 1);
      const source = new RtpSource(spec.codec, payloadType, this.payloads, key);
      const call: FuzzCall = {
        uuid,
        codec: spec.codec,
        dialog,
        esl,
        rtp,
        rtpPort,
        rtcp: isMuxed ? rtp : rtcp,
        rtcpPort,
        source,
      };
      rtp.on('message', (datagram) => call.onRtp?.(datagram));
      rtcp.on('message', () => {});
      void esl.closed.then(() => {
        rtp.close();
        rtcp.close();
      });
      return call;
    } catch (error) {
      rtp.close();
      rtcp.close();
      if (dialog && !dialog.isEnded) void dialog.bye().catch(() => {});
      throw error;
    } finally {
      over.abort();
      this.expected.delete(outgoing.callId);
    }
  }

  /** Hangs up. */
  async end(call: FuzzCall): Promise<void> {
    // Who has ended by itself is over too, and a server that is gone answers nothing.
    if (!call.dialog.isEnded) await Promise.race([call.dialog.bye().catch(() => {}), sleep(BYE_MS)]);
    call.esl.close();
    await call.esl.closed;
  }

  async stop(): Promise<void> {
    this.listener.close();
    await this.agent.stop();
  }

  private async welcome(esl: EslLink): Promise<void> {
    const answer = await esl.command('connect');
    const callId = decodeURIComponent(answer?.headers.get('variable_sip_call_id') ?? '');
    const settle = this.expected.get(callId);
    if (settle) settle({ esl, uuid: answer?.headers.get('unique-id') ?? '' });
    else esl.close();
  }
}

function keyOf({ suite, salt }: CallSpec): SrtpKey | undefined {
  if (suite === undefined) return undefined;
  const { name, keyBytes, saltBytes } = SRTP_SUITES[suite]!;
  return { suite: name, keySalt: Buffer.alloc(keyBytes + saltBytes, salt + 1).toString('base64') };
}

function offer({ codec, ptimeMs, mux }: CallSpec, payloadType: number, port: number, key: SrtpKey | undefined): string {
  const { name, clockHz, channels } = codecFormat(codec);
  const encoding = `${name}/${clockHz}${channels > 1 ? `/${channels}` : ''}`;
  return [
    'v=0',
    `o=- 1 1 IN IP4 ${HOST}`,
    's=-',
    `c=IN IP4 ${HOST}`,
    't=0 0',
    `m=audio ${port} RTP/${key ? 'SAVP' : 'AVP'} ${payloadType} 13 101`,
    ...(payloadType >= FIRST_DYNAMIC || codec === 'G722' ? [`a=rtpmap:${payloadType} ${encoding}`] : []),
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-16',
    ...(ptimeMs ? [`a=ptime:${ptimeMs}`] : []),
    ...(mux ? ['a=rtcp-mux'] : []),
    `a=rtcp:${port + 1}`,
    ...(key ? [`a=crypto:1 ${key.suite} inline:${key.keySalt}`] : []),
    'a=sendrecv',
    '',
  ].join('\r\n');
}

/** An even port for RTP and the next for RTCP. */
async function bindPair(): Promise<{ rtp: Socket; rtcp: Socket; port: number }> {
  for (let i = 0; i < MAX_PORT_TRIES; i++) {
    const rtp = await bind(0);
    const port = rtp?.address().port ?? 1;
    const rtcp = port % 2 === 0 ? await bind(port + 1) : undefined;
    if (rtp && rtcp) return { rtp, rtcp, port };
    rtp?.close();
  }
  throw new Error('no pair of ports is free');
}

function bind(port: number): Promise<Socket | undefined> {
  const socket = createSocket({ type: 'udp4', lookup: (address, _options, callback) => callback(null, address, 4) });
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close();
      resolve(undefined);
    });
    socket.bind(port, HOST, () => {
      socket.removeAllListeners('error');
      // A port of the server that is closed already: ICMP tells, nobody minds.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
