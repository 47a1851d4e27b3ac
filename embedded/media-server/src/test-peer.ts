import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@ringwire/common/log/logger.js';
import {
  type AudioAgreement,
  acceptAudioAnswer,
  decodeG711,
  encodeG711,
  type G711Codec,
  offerAudio,
  parseSdp,
  RTP_HEADER_BYTES,
  RtpSocket,
  SAMPLES_PER_PACKET,
  TelephoneEventReceiver,
  TelephoneEventSender,
  writeRtpHeader,
  writeWav,
} from '@ringwire/rtp';
import { createUserAgent, type Dialog, type UserAgent } from '@ringwire/sip';
import { readOptions } from './options.js';
import { type MediaServer, startMediaServer } from './server.js';

/** Where clean-up is registered: a tap test. */
export interface Teardown {
  teardown(fn: () => unknown): void;
}

/** A media server on free ports of loopback. */
export async function startServer(t: Teardown, flags: string[] = []): Promise<MediaServer> {
  const argv = ['--sip', '127.0.0.1:0', '--esl', '127.0.0.1:0', '--rtp-ports', '0-0', ...flags];
  const logger = createLogger({ name: 'media-server', level: 'silent' });
  const server = await startMediaServer(readOptions(argv), logger, 'test');
  t.teardown(() => server.close());
  return server;
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
  static async connect(t: Teardown, server: MediaServer, password = 'ClueCon'): Promise<EslClient> {
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

/** RTP as a phone sees it: keeps what it hears in place by timestamp, with arrival times; sends sound and digits every 20 ms. */
export class PhoneMedia {
  readonly packets: { timestamp: number; sequence: number; marker: boolean; atMs: number }[] = [];
  readonly digits: string[] = [];
  agreement: AudioAgreement | undefined;
  #heard = new Int16Array(8000 * 60);
  #end = 0;
  #firstTimestamp: number | undefined;
  #sound: Int16Array = new Int16Array(0);
  #soundAt = 0;
  #sequence = 1;
  #timestamp = 1000;
  readonly #sender = new TelephoneEventSender();
  readonly #receiver = new TelephoneEventReceiver(({ digit }) => this.digits.push(digit));
  #timer: NodeJS.Timeout | undefined;
  readonly #waiting: (() => void)[] = [];

  private constructor(readonly socket: RtpSocket) {
    socket.onPacket = (packet, datagram) => {
      const atMs = performance.now();
      if (packet.payloadType === this.agreement?.telephoneEventPayloadType) {
        this.#receiver.receive(datagram, packet.payloadOffset, packet.payloadLength, packet.timestamp, atMs);
        return;
      }
      this.#firstTimestamp ??= packet.timestamp;
      const at = (packet.timestamp - this.#firstTimestamp) >>> 0;
      this.packets.push({ timestamp: at, sequence: packet.sequence, marker: packet.marker, atMs });
      if (at + packet.payloadLength > this.#heard.length) return;
      const codec = packet.payloadType === 8 ? 'PCMA' : 'PCMU';
      decodeG711(codec, datagram, packet.payloadOffset, packet.payloadLength, this.#heard, at);
      this.#end = Math.max(this.#end, at + packet.payloadLength);
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }

  /** Binds a port. */
  static async open(t: Teardown): Promise<PhoneMedia> {
    const media = new PhoneMedia(await RtpSocket.bind());
    t.teardown(() => media.close());
    return media;
  }

  /** Everything heard since the first packet. */
  get heard(): Int16Array {
    return this.#heard.slice(0, this.#end);
  }

  /** Resolves when `ms` more have been heard. */
  async hears(ms: number): Promise<void> {
    const wanted = this.#end + ms * 8;
    while (this.#end < wanted) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Our offer. */
  offer(codecs: G711Codec[] = ['PCMU', 'PCMA']): string {
    return offerAudio({ host: this.socket.host, port: this.socket.port, sessionId: '1', sessionVersion: 1, codecs });
  }

  /** Takes the answer and begins to send. */
  start(answer: string): void {
    const parsed = parseSdp(answer);
    if (!parsed.ok) throw parsed.error;
    const accepted = acceptAudioAnswer(parsed.sdp);
    if (!accepted.ok) throw accepted.error;
    this.startTo(accepted.agreement);
  }

  /** Begins to send as agreed. */
  startTo(agreement: AudioAgreement): void {
    this.agreement = agreement;
    this.socket.setRemote(agreement.remoteHost, agreement.remotePort);
    let next = performance.now() + 20;
    this.#timer ??= setInterval(() => {
      for (; performance.now() >= next; next += 20) this.#send();
    }, 5);
  }

  /** Says this from the next packet on. */
  say(pcm: Int16Array): void {
    this.#sound = pcm;
    this.#soundAt = 0;
  }

  /** Presses keys. */
  press(digits: string): void {
    this.#sender.queue(digits, 100);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.socket.close();
  }

  #send(): void {
    const packet = Buffer.alloc(RTP_HEADER_BYTES + SAMPLES_PER_PACKET);
    const { payloadType, codec, telephoneEventPayloadType } = this.agreement!;
    const eventType = telephoneEventPayloadType;
    if (eventType !== undefined && this.#sender.next(packet, RTP_HEADER_BYTES, this.#timestamp)) {
      writeRtpHeader(packet, this.#sender.marker, eventType, this.#sequence, this.#sender.timestamp, 77);
      this.socket.send(packet, RTP_HEADER_BYTES + 4);
    } else {
      const frame = new Int16Array(SAMPLES_PER_PACKET);
      frame.set(this.#sound.subarray(this.#soundAt, this.#soundAt + SAMPLES_PER_PACKET));
      this.#soundAt += SAMPLES_PER_PACKET;
      writeRtpHeader(packet, false, payloadType, this.#sequence, this.#timestamp, 77);
      encodeG711(codec, frame, 0, SAMPLES_PER_PACKET, packet, RTP_HEADER_BYTES);
      this.socket.send(packet);
    }
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp += SAMPLES_PER_PACKET;
  }
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

/** An event socket that the server has opened to us, and the channel's data that it gave. */
interface Arrival {
  esl: EslClient;
  channelData: EventHeaders;
}

/** Everything that places calls to one server. */
export class TestCaller {
  readonly #arrivals = new Map<string, Promise<Arrival>>();
  readonly #settle = new Map<string, (arrival: Arrival) => void>();

  private constructor(
    readonly t: Teardown,
    readonly server: MediaServer,
    readonly agent: UserAgent,
    readonly listenerPort: number,
  ) {}

  /** A user agent and a listener for outbound event sockets. */
  static async create(t: Teardown, server: MediaServer): Promise<TestCaller> {
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
  async call(codecs?: G711Codec[], headers: Record<string, string> = {}): Promise<TestCall> {
    const media = await PhoneMedia.open(this.t);
    const outgoing = this.agent.invite({
      uri: `sip:drachtio@${this.server.sip}`,
      sdp: media.offer(codecs),
      headers: { 'User-Agent': 'drachtio-fsmrf:test', 'X-esl-outbound': `127.0.0.1:${this.listenerPort}`, ...headers },
    });
    const dialog = await outgoing.answered;
    media.start(dialog.remoteSdp);
    const { esl, channelData } = await this.#arrival(outgoing.callId);
    const uuid = channelData['Unique-ID']!;
    await esl.command('event json ALL');
    await esl.command(`filter Unique-ID ${uuid}`);
    return { dialog, media, esl, uuid, channelData };
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

/** Waits for a SIP request to be refused with that status. */
export async function refused(
  t: { equal(found: unknown, wanted: unknown): boolean },
  status: number,
  attempt: Promise<unknown>,
): Promise<void> {
  const outcome = await attempt.catch((error: unknown) => error);
  t.equal((outcome as { status?: number } | undefined)?.status, status);
}
