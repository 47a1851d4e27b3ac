import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createUserAgent, type Dialog, type UserAgent } from '@ringwire/sip';
import { decodeValue, EslClient } from './esl-client.js';
import type { MediaServerUnderTest } from './servers.js';

/** A call that was not ready by then has failed. */
const READY_WITHIN_MS = 5_000;
const TICK_MS = 5;
/** Hang-ups a second. */
const ENDS_PER_SECOND = 200;
/** What drachtio-fsmrf subscribes to for each endpoint. */
const EVENTS =
  'event json CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CHANNEL_PROGRESS_MEDIA CHANNEL_CALLSTATE CHANNEL_ANSWER DTMF ' +
  'DETECTED_TONE SWITCH_EVENT_PLAYBACK_START SWITCH_EVENT_PLAYBACK_STOP CUSTOM conference::maintenance';

/** A call that is answered and whose event socket is there. */
export interface BenchCall {
  uuid: string;
  /** The server's RTP port. */
  serverPort: number;
  dialog: Dialog;
  esl: EslClient;
  /** INVITE → 200. */
  answeredMs: number;
  /** INVITE → everything that drachtio-fsmrf does until an endpoint may be used. */
  readyMs: number;
}

/** What came of calls at a rate. */
export interface PlacedCalls {
  calls: BenchCall[];
  /** What went wrong, by what it was. */
  failures: Record<string, number>;
}

/** Places calls to one media server as drachtio-fsmrf does, without its weight: a SIP user agent and event sockets. */
export class Caller {
  /** Calls that wait for their outbound event socket, by SIP call id. */
  readonly #expected = new Map<string, (arrival: Arrival) => void>();
  /** Event sockets; a server ends the call with them. */
  readonly #sockets = new Set<EslClient>();

  private constructor(
    readonly agent: UserAgent,
    readonly listener: Server,
    readonly server: MediaServerUnderTest,
  ) {
    listener.on('connection', (socket) => {
      const esl = new EslClient(socket);
      this.#sockets.add(esl);
      socket.on('close', () => this.#sockets.delete(esl));
      // A server that gives up the call closes the socket: the call's own time-out counts it.
      this.#welcome(esl).catch(() => esl.close());
    });
  }

  static async create(server: MediaServerUnderTest): Promise<Caller> {
    const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
    const listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new Caller(agent, listener, server);
  }

  /** Places a call whose media come to `mediaPort`. Rejects when it is not ready in time. */
  async call(mediaPort: number): Promise<BenchCall> {
    const started = performance.now();
    const { port } = this.listener.address() as AddressInfo;
    const outgoing = this.agent.invite({
      uri: `sip:bench@${this.server.sip.host}:${this.server.sip.port}`,
      sdp: offer(mediaPort),
      headers: { 'X-esl-outbound': `127.0.0.1:${port}` },
    });
    const over = new AbortController();
    const late = sleep(READY_WITHIN_MS, undefined, { signal: over.signal }).then(() => {
      throw new Error(`not ready within ${READY_WITHIN_MS} ms`);
    });
    late.catch(() => {});
    const arrival = this.#arrival(outgoing.callId);
    let dialog: Dialog | undefined;
    try {
      dialog = await Promise.race([outgoing.answered, late]);
      const answeredMs = performance.now() - started;
      const { esl, uuid } = await Promise.race([arrival, late]);
      await Promise.race([Promise.all([esl.command(EVENTS), esl.command(`filter Unique-ID ${uuid}`)]), late]);
      const readyMs = performance.now() - started;
      return { uuid, serverPort: portOf(dialog.remoteSdp), dialog, esl, answeredMs, readyMs };
    } catch (error) {
      if (dialog && !dialog.isEnded) void dialog.bye().catch(() => {});
      throw error;
    } finally {
      over.abort();
      this.#expected.delete(outgoing.callId);
    }
  }

  /** Places calls at an even rate, one for each media port. `onReady` is called for each as soon as it is there. */
  async calls(
    mediaPorts: readonly number[],
    perSecond: number,
    onReady: (call: BenchCall, index: number) => Promise<void> = async () => {},
  ): Promise<PlacedCalls> {
    const calls: BenchCall[] = [];
    const failures: Record<string, number> = {};
    await atRate(mediaPorts, perSecond, async (mediaPort, index) => {
      try {
        const call = await this.call(mediaPort);
        await onReady(call, index);
        calls.push(call);
      } catch (error) {
        const what = error instanceof Error ? error.message : String(error);
        failures[what] = (failures[what] ?? 0) + 1;
      }
    });
    return { calls, failures };
  }

  /** Hangs up; resolves when all is over. */
  async hangUp(calls: readonly BenchCall[]): Promise<void> {
    await atRate(calls, ENDS_PER_SECOND, async ({ dialog, esl }) => {
      // Who has ended by itself, or does not answer the BYE, is over too.
      if (!dialog.isEnded) await dialog.bye().catch(() => {});
      esl.close();
    });
  }

  /** Ends what is left of calls, and gives back its ports. */
  async close(): Promise<void> {
    for (const esl of this.#sockets) esl.close();
    this.listener.close();
    await this.agent.stop();
  }

  async #welcome(esl: EslClient): Promise<void> {
    const { headers } = await esl.command('connect');
    const callId = decodeValue(headers.get('variable_sip_call_id'));
    const settle = this.#expected.get(callId);
    if (settle) settle({ esl, uuid: headers.get('Unique-ID') ?? '' });
    else esl.close();
  }

  #arrival(callId: string): Promise<Arrival> {
    return new Promise((resolve) => this.#expected.set(callId, resolve));
  }
}

interface Arrival {
  esl: EslClient;
  uuid: string;
}

/** Runs `work` for each, begun at an even rate whatever becomes of those before; resolves when all are done. */
async function atRate<T>(
  items: readonly T[],
  perSecond: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const started = performance.now();
  const running: Array<Promise<void>> = [];
  while (running.length < items.length) {
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond) + 1;
    while (running.length < Math.min(due, items.length)) running.push(work(items[running.length]!, running.length));
    await sleep(TICK_MS);
  }
  await Promise.all(running);
}

function portOf(sdp: string): number {
  return Number(/^m=audio (\d+) /m.exec(sdp)?.[1] ?? 0);
}

function offer(port: number): string {
  return [
    'v=0',
    'o=bench 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n');
}
