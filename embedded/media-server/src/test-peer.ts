import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@ringwire/common/log/logger.js';
import { type CodecId, correlate, type Match, writeWav } from '@ringwire/rtp';
import { createUserAgent, type Dialog, type OutgoingCall, type SipMessage, type UserAgent } from '@ringwire/sip';
import { readOptions } from './options.js';
import { type MediaServer, startMediaServer } from './server.js';
import { PhoneMedia, type PhoneOptions, type Teardown } from './test-phone.js';

export { PhoneMedia };

/**
 * Flags of every media server of a test. In real time the media threads of other tests would keep this test's phones from sending; and what
 * they do not play need not be loaded beside their calls.
 */
export const QUIET = ['--realtime', 'off', '--preload-decoders', 'off'];

/** A media server on free ports of loopback. */
export async function startServer(t: Teardown, flags: string[] = []): Promise<MediaServer> {
  const argv = [
    '--sip',
    '127.0.0.1:0',
    '--esl',
    '127.0.0.1:0',
    '--rtp-ports',
    '0-0',
    '--fetch-private',
    'loopback',
    ...QUIET,
    ...flags,
  ];
  const logger = createLogger({ name: 'media-server', level: 'silent' });
  const server = await startMediaServer(readOptions(argv), logger, 'test');
  t.teardown(() => server.close());
  return server;
}

/**
 * The media server that a test speaks to: ours, or, where `FREESWITCH=host:port:password` names the event socket of one, a real FreeSWITCH whose
 * dialplan gives calls to the socket that `X-esl-outbound` names.
 */
export async function serverUnderTest(t: Teardown): Promise<Pick<MediaServer, 'sip'>> {
  const [host, port, password] = (process.env.FREESWITCH ?? '').split(':');
  if (!host) return startServer(t);
  const esl = await EslClient.connect(t, { esl: `${host}:${port}` }, password);
  await esl.next((reply) => reply.text.startsWith('+OK'));
  const status = await esl.api('sofia status');
  return { sip: /sip:mod_sofia@([\d.:]+)/.exec(status)?.[1] ?? '' };
}

/** An event as a client sees it. */
export type EventHeaders = Record<string, string>;

/** A plain event socket client: sends lines, gets frames. */
export class EslClient {
  readonly replies: { contentType: string; text: string; headers: EventHeaders; body: string }[] = [];
  readonly events: EventHeaders[] = [];
  isClosed = false;
  #buffer = Buffer.alloc(0);
  #changed: (() => void)[] = [];

  constructor(readonly socket: Socket) {
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** Connects to a server's event socket and authenticates. */
  static async connect(t: Teardown, server: Pick<MediaServer, 'esl'>, password = 'ClueCon'): Promise<EslClient> {
    const [host, port] = server.esl.split(':');
    const client = new EslClient(connect(Number(port), host));
    t.teardown(() => client.socket.destroy());
    await client.next((reply) => reply.contentType === 'auth/request');
    client.socket.write(`auth ${password}\n\n`);
    return client;
  }

  /** Sends a command and resolves with the next reply. */
  async command(text: string): Promise<{ text: string; headers: EventHeaders; body: string }> {
    const before = this.replies.length;
    this.socket.write(`${text}\n\n`);
    await this.until(() => this.replies.length > before);
    return this.replies[before]!;
  }

  /** Resolves with the body that an api command answers. */
  async api(text: string): Promise<string> {
    return (await this.command(`api ${text}`)).body;
  }

  /** Runs an application on a channel and resolves with its CHANNEL_EXECUTE_COMPLETE. */
  async execute(uuid: string, application: string, argument = ''): Promise<EventHeaders> {
    const id = `run-${Math.random()}`;
    await this.command(
      `sendmsg ${uuid}\ncall-command: execute\nexecute-app-name: ${application}\nexecute-app-arg: ${argument}\nEvent-UUID: ${id}`,
    );
    return this.event((e) => e['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE' && e['Application-UUID'] === id);
  }

  /** Resolves with the first event, past or future, that fits. */
  async event(fits: (event: EventHeaders) => boolean): Promise<EventHeaders> {
    await this.until(() => this.events.some(fits));
    return this.events.find(fits)!;
  }

  /** Resolves with the first reply, past or future, that fits. */
  async next(fits: (reply: EslClient['replies'][number]) => boolean): Promise<EslClient['replies'][number]> {
    await this.until(() => this.replies.some(fits));
    return this.replies.find(fits)!;
  }

  /** Resolves when the condition holds; asked after each frame. The test's own time-out ends it. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  #receive(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (;;) {
      const end = this.#buffer.indexOf('\n\n');
      if (end < 0) break;
      const headers = readHeaders(this.#buffer.toString('utf8', 0, end));
      const length = Number(headers['Content-Length'] ?? 0);
      if (this.#buffer.length < end + 2 + length) break;
      const body = this.#buffer.toString('utf8', end + 2, end + 2 + length);
      this.#buffer = this.#buffer.subarray(end + 2 + length);
      this.#take(headers, body);
    }
    this.#wake();
  }

  #take(headers: EventHeaders, body: string): void {
    const contentType = headers['Content-Type'] ?? '';
    if (contentType === 'text/event-json') this.events.push(JSON.parse(body) as EventHeaders);
    else if (contentType === 'text/event-plain') this.events.push(readHeaders(body.split('\n\n')[0]!));
    else this.replies.push({ contentType, text: headers['Reply-Text'] ?? '', headers, body });
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}

function readHeaders(text: string): EventHeaders {
  const headers: EventHeaders = {};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) headers[line.slice(0, colon)] = decodeURIComponent(line.slice(colon + 2));
  }
  return headers;
}

/** A call to the media server with both its event socket and its media in our hands. */
export interface TestCall {
  dialog: Dialog;
  media: PhoneMedia;
  /** The outbound event socket, connected, with all events in JSON. */
  esl: EslClient;
  uuid: string;
  channelData: EventHeaders;
}

/** A call that is not answered yet. */
export interface PlacedCall extends Omit<TestCall, 'dialog'> {
  outgoing: OutgoingCall;
  /** Provisional responses but 100. */
  responses: SipMessage[];
}

/** An event socket that the server has opened to us, and the channel's data that it gave. */
interface Arrival {
  esl: EslClient;
  channelData: EventHeaders;
}

/** Everything that places calls to one server. */
export class TestCaller<Server extends Pick<MediaServer, 'sip'> = MediaServer> {
  readonly #arrivals = new Map<string, Promise<Arrival>>();
  readonly #settle = new Map<string, (arrival: Arrival) => void>();

  private constructor(
    readonly t: Teardown,
    readonly server: Server,
    readonly agent: UserAgent,
    readonly listenerPort: number,
  ) {}

  /** A user agent and a listener for outbound event sockets. */
  static async create<Server extends Pick<MediaServer, 'sip'>>(
    t: Teardown,
    server: Server,
  ): Promise<TestCaller<Server>> {
    const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
    const listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const caller = new TestCaller(t, server, agent, (listener.address() as AddressInfo).port);
    listener.on('connection', (socket) => void caller.#receive(socket));
    t.teardown(async () => {
      listener.close();
      await agent.stop();
    });
    return caller;
  }

  /** Places a call and waits until it is answered and its event socket is connected. */
  async call(codecs?: CodecId[], headers: Record<string, string> = {}, phone: PhoneOptions = {}): Promise<TestCall> {
    const { outgoing, media } = await this.#invite(codecs, headers, phone);
    const dialog = await outgoing.answered;
    media.start(dialog.remoteSdp);
    return { dialog, media, ...(await this.#control(outgoing.callId)) };
  }

  /** Places a call that its client is to answer, and waits until the event socket is connected. */
  async place(codecs?: CodecId[], headers: Record<string, string> = {}, phone: PhoneOptions = {}): Promise<PlacedCall> {
    const { outgoing, media, responses } = await this.#invite(codecs, { 'X-esl-answer': 'false', ...headers }, phone);
    return { outgoing, media, responses, ...(await this.#control(outgoing.callId)) };
  }

  /** Places a call without SDP, whose media is inactive until a re-INVITE says more: an endpoint of drachtio-fsmrf without a remote SDP. */
  async callWithoutOffer(headers: Record<string, string> = {}): Promise<Omit<TestCall, 'media'> & { offer: string }> {
    let offer = '';
    const outgoing = this.agent.invite({
      uri: `sip:drachtio@${this.server.sip}`,
      // It answers with what it is offered, as drachtio-srf does.
      onOffer: (sdp) => (offer = sdp),
      headers: { 'User-Agent': 'drachtio-fsmrf:test', 'X-esl-outbound': `127.0.0.1:${this.listenerPort}`, ...headers },
    });
    const dialog = await outgoing.answered;
    return { dialog, offer, ...(await this.#control(outgoing.callId)) };
  }

  async #invite(
    codecs: CodecId[] | undefined,
    headers: Record<string, string>,
    phone: PhoneOptions,
  ): Promise<Pick<PlacedCall, 'outgoing' | 'media' | 'responses'>> {
    const media = await PhoneMedia.open(this.t, phone);
    const outgoing = this.agent.invite({
      uri: `sip:drachtio@${this.server.sip}`,
      sdp: media.offer(codecs),
      headers: { 'User-Agent': 'drachtio-fsmrf:test', 'X-esl-outbound': `127.0.0.1:${this.listenerPort}`, ...headers },
    });
    const responses: SipMessage[] = [];
    outgoing.on('progress', (response) => responses.push(response));
    return { outgoing, media, responses };
  }

  /** The event socket of a call, with all its events. */
  async #control(callId: string): Promise<Pick<TestCall, 'esl' | 'uuid' | 'channelData'>> {
    const { esl, channelData } = await this.#arrival(callId);
    const uuid = channelData['Unique-ID']!;
    await esl.command('event json ALL');
    await esl.command(`filter Unique-ID ${uuid}`);
    return { esl, uuid, channelData };
  }

  async #receive(socket: Socket): Promise<void> {
    this.t.teardown(() => socket.destroy());
    const esl = new EslClient(socket);
    const { headers: channelData } = await esl.command('connect');
    const callId = channelData.variable_sip_call_id ?? '';
    void this.#arrival(callId);
    this.#settle.get(callId)?.({ esl, channelData });
  }

  #arrival(callId: string): Promise<Arrival> {
    const known = this.#arrivals.get(callId);
    if (known) return known;
    const arrival = new Promise<Arrival>((resolve) => this.#settle.set(callId, resolve));
    this.#arrivals.set(callId, arrival);
    return arrival;
  }
}

/** A WAV file in a folder that goes with the test. */
export async function wavFile(t: Teardown, pcm: Int16Array, rateHz = 8000, channels = 1): Promise<string> {
  const path = join(await folder(t), 'sound.wav');
  await writeFile(path, writeWav(pcm, rateHz, channels));
  return path;
}

/** A folder that goes with the test. */
export async function folder(t: Teardown): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'media-server-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Speech-like sound: a chirp whose every part is different, so that correlation finds its one place. */
export function chirp(durationMs: number, rateHz = 8000, seed = 1): Int16Array {
  const pcm = new Int16Array((durationMs * rateHz) / 1000);
  for (let i = 0; i < pcm.length; i++) {
    const seconds = i / rateHz;
    pcm[i] = Math.round(9000 * Math.sin(2 * Math.PI * (300 * seed * seconds + 400 * seconds * seconds)));
  }
  return pcm;
}

/** Where something was heard, as the second best of its quarters has it, since a pause of a busy machine spoils what is around it. */
export function locate(heard: Int16Array, said: Int16Array): Match {
  const part = said.length >> 2;
  const parts = [0, 1, 2, 3].map((i) => {
    const { lag, coefficient } = correlate(heard, said.subarray(i * part, (i + 1) * part));
    return { lag: lag - i * part, coefficient };
  });
  return parts.sort((a, b) => b.coefficient - a.coefficient)[1]!;
}

/**
 * Whether it comes right in one of five attempts. For audio that is judged packet by packet: a pause of a busy machine spoils one attempt,
 * a fault of ours all.
 */
export async function comesRight(attempt: () => Promise<boolean>): Promise<boolean> {
  for (let left = 5; left > 0; left--) if (await attempt()) return true;
  return false;
}

/** Whether what one phone says is what the other hears, in one of five attempts. */
export function isCarried(from: PhoneMedia, to: PhoneMedia, said: Int16Array, coefficient = 0.97): Promise<boolean> {
  return comesRight(async () => {
    const begin = to.heard.length;
    from.say(said);
    await from.said();
    await to.hears(500);
    return correlate(to.heard.subarray(begin), said).coefficient > coefficient;
  });
}

/** Waits for a SIP request to be refused with that status. */
export async function refused(
  t: { equal(found: unknown, wanted: unknown): boolean },
  status: number,
  attempt: Promise<unknown>,
): Promise<void> {
  const outcome = await attempt.catch((error: unknown) => error);
  t.equal((outcome as { status?: number } | undefined)?.status, status);
}
