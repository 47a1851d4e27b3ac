import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Conversation } from '../conversation.js';
import { mutate } from '../mutate.js';
import { Random } from '../random.js';
import { loadSeeds } from '../seeds.js';
import { ShortConnections } from '../short-connections.js';
import { CALLS, CallSet } from './call-set.js';
import { Caller, type FuzzCall } from './calls.js';
import * as datagrams from './datagrams.js';
import { EslLink } from './esl-link.js';
import { FileInputs, type FileKind } from './file-inputs.js';
import { RawFileServer } from './file-server.js';
import { RawForkServer } from './fork-server.js';
import type { MediaInput } from './input.js';
import { probeCall, restore } from './probe-call.js';
import type { Memory } from './report.js';
import { ServerProcess, type TroubleListener } from './server-process.js';
import { pickShare } from './shares.js';
import { fillIn, type RunFacts } from './stand-ins.js';
import { eslCommand, eslStranger, forkFrames, httpAnswer, sdpOffer, sipMessage } from './text-inputs.js';

/** Kinds of inputs, and how many of a thousand each has. */
const SHARES = [
  ['rtp', 480],
  ['srtp', 120],
  ['rtcp', 130],
  ['srtcp', 40],
  ['stun-dtls', 60],
  ['sip', 45],
  ['sdp', 15],
  ['sip-dialog', 30],
  ['event-socket', 45],
  ['event-socket-stranger', 12],
  ['fork', 15],
  ['http', 5],
  ['playback', 3],
] as const;

/** A kind of packet. */
export type PacketKind = (typeof SHARES)[number][0];

const FORK_WAIT_MS = 1000;
const STRANGER_STAYS_MS = 300;
const PLAYED_NAMES = 32;
const PLAYED: readonly FileKind[] = ['wav', 'aiff', 'mp3', 'ogg', 'raw'];
const SETTLE_MS = 45_000;

/** A media server with calls of every kind, and everything that is beside a media server: its clients, file servers, audio servers. */
export class PacketTarget {
  readonly calls: CallSet;
  private readonly traffic = loadSeeds();
  private readonly files = new FileInputs();
  private readonly connections = new ShortConnections();
  private readonly conversation = new Conversation(() => this.socket.address().port);
  private rogue: EslLink | undefined;
  private strangers = 0;
  private readonly open = new Set<EslLink>();
  private readonly facts: RunFacts;

  private constructor(
    readonly server: ServerProcess,
    private readonly folder: string,
    private readonly caller: Caller,
    private control: EslLink,
    private readonly socket: Socket,
    private readonly fileServer: RawFileServer,
    private readonly forkServer: RawForkServer,
    private readonly clientServer: Server,
  ) {
    socket.on('message', (bytes) => this.conversation.hear(bytes));
    clientServer.on('connection', (socket) => void this.serveStranger(new EslLink(socket)));
    this.facts = {
      uuidOf: (index) => this.calls.uuidOf(index),
      httpPort: fileServer.port,
      forkPort: forkServer.port,
      clientPort: (clientServer.address() as AddressInfo).port,
    };
    this.calls = new CallSet(caller, this.facts);
  }

  /** Starts a server and its calls. */
  static async start(onTrouble: TroubleListener): Promise<PacketTarget> {
    const folder = mkdtempSync(join(tmpdir(), 'fuzz-media-'));
    const server = await ServerProcess.start(folder, onTrouble);
    const socket = createSocket('udp4');
    socket.on('error', () => {
      // What was sent is garbage; an error of its answer's way is not the server's.
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const clients = createServer().listen(0, '127.0.0.1');
    await once(clients, 'listening');
    const [caller, control] = [await Caller.start(server), await EslLink.open(server.esl.port)];
    const servers = [await RawFileServer.start(), await RawForkServer.start()] as const;
    const target = new PacketTarget(server, folder, caller, control, socket, ...servers, clients);
    const sound = target.files.makeKind('wav', new Random(0)).bytes;
    writeFileSync(join(folder, 'seed.wav'), sound);
    await target.placeCalls();
    return target;
  }

  /** Makes input `n`. */
  make(n: number, random: Random): MediaInput {
    const kind = pickShare(SHARES, random);
    // Every fourth call is secured.
    const to = kind.startsWith('srt') ? 4 * random.below(CALLS / 4) + 3 : random.below(CALLS);
    return { n, kind, to, bytes: this.makeKind(kind, n, to, random) };
  }

  /** Sends an input to where it belongs. */
  async deliver(input: MediaInput): Promise<void> {
    const { n, bytes } = input;
    const call = this.calls.at(Number(input.to));
    switch (input.kind as PacketKind) {
      case 'rtp':
      case 'srtp':
        return this.datagram(call.esl.isClosed ? undefined : call.rtp, bytes, call.rtpPort);
      case 'rtcp':
      case 'srtcp':
        return this.datagram(call.esl.isClosed ? undefined : call.rtcp, bytes, call.rtcpPort);
      case 'stun-dtls':
        // From the call's own peer, or from somebody else.
        return this.datagram(
          n % 3 === 0 || call.esl.isClosed ? this.socket : call.rtp,
          bytes,
          n % 2 === 0 ? call.rtpPort : call.rtcpPort,
        );
      case 'sip':
      case 'sdp':
      case 'sip-dialog':
        return this.datagram(this.socket, fillIn(bytes, this.facts), this.server.sip.port);
      case 'event-socket':
        return await this.command(call, n, fillIn(bytes, this.facts));
      case 'event-socket-stranger':
        return await this.connections.tcp(this.server.esl.port, bytes);
      case 'fork':
        return await this.fork(Number(input.to), bytes);
      case 'http': {
        const path = `/${n % PLAYED_NAMES}.${n % 2 === 0 ? 'wav' : 'mp3'}`;
        this.fileServer.put(path, fillIn(bytes, this.facts));
        this.play(call, `http://127.0.0.1:${this.fileServer.port}${path}`);
        return;
      }
      case 'playback': {
        const name = `live-${n % PLAYED_NAMES}${['.wav', '.aiff', '.mp3', '.ogg', '.ul'][n % 5]}`;
        writeFileSync(join(this.folder, name), bytes);
        this.play(call, name);
      }
    }
  }

  /** Waits until the server has read what it was sent, and replaces calls that have ended. */
  async keepUp(n: number): Promise<void> {
    if (this.control.isClosed && !this.server.isGone) this.control = await EslLink.open(this.server.esl.port);
    // Of a call that is gone there would be no answer for a while.
    const some = this.calls.anyLive(n);
    if (some) await this.control.api(`uuid_set_media_stats ${some.uuid}`);
    await this.calls.renew(n, this.control);
    this.calls.keepForks(this.forkServer.sessions, this.control);
  }

  /** Whether a good call is answered, and hears what is played. @throws when not */
  async probe(): Promise<void> {
    if (this.control.isClosed) this.control = await EslLink.open(this.server.esl.port);
    await probeCall(this.caller, this.control);
  }

  /** Ends everything and waits until nothing is left. @param restMs how long transactions may take to end. @throws when something is */
  async settle(restMs: number): Promise<Memory> {
    this.rogue?.close();
    await this.calls.end();
    const end = performance.now() + SETTLE_MS;
    for (const name of ['sessions', 'rtp_ports_in_use']) {
      for (;;) {
        const left = await this.server.metric(name);
        if (left === 0) break;
        if (performance.now() > end) throw new Error(`${left} ${name} never ended`);
        await sleep(200);
      }
    }
    await sleep(restMs);
    return await this.server.memory();
  }

  /** Goes on after {@link settle}. */
  async placeCalls(): Promise<void> {
    await restore(this.control);
    await this.calls.place(this.control);
  }

  async stop(): Promise<void> {
    if (!this.server.isGone) await this.calls.end();
    this.rogue?.close();
    this.control.close();
    await this.caller.stop();
    await this.server.stop();
    this.socket.close();
    this.fileServer.stop();
    this.forkServer.stop();
    this.clientServer.close();
    for (const link of this.open) link.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private makeKind(kind: PacketKind, n: number, to: number, random: Random): Buffer {
    const { source } = this.calls.at(to);
    switch (kind) {
      case 'rtp':
        return source.isSecured ? source.srtp(random) : source.rtp(random);
      case 'srtp':
        return source.srtp(random);
      case 'rtcp':
        return source.isSecured && random.below(8) > 0
          ? source.srtcp(random, datagrams.rtcp(random))
          : datagrams.rtcp(random);
      case 'srtcp':
        return source.srtcp(random, datagrams.rtcp(random));
      case 'stun-dtls':
        return datagrams.other(random);
      case 'sip':
        return sipMessage(n, random, this.traffic);
      case 'sdp':
        return sdpOffer(n, random);
      case 'sip-dialog': {
        const next = this.conversation.next(random);
        return next
          ? mutate(next, random, this.traffic, Math.max(0, random.below(5) - 1))
          : sipMessage(n, random, this.traffic);
      }
      case 'event-socket':
        return eslCommand(random, CALLS);
      case 'event-socket-stranger':
        return eslStranger(random);
      case 'fork':
        return forkFrames(random);
      case 'http':
        return httpAnswer(random, this.files.makeKind(n % 2 === 0 ? 'wav' : 'mp3', random).bytes);
      case 'playback':
        return this.files.makeKind(PLAYED[n % PLAYED.length]!, random).bytes;
    }
  }

  private async datagram(socket: Socket | undefined, bytes: Buffer, port: number): Promise<void> {
    if (!socket || !(port > 0 && port < 65_536)) return;
    await new Promise<void>((resolve) => {
      try {
        socket.send(bytes, port, '127.0.0.1', () => resolve());
      } catch {
        // It was closed with its call.
        resolve();
      }
    });
  }

  /** A client that knows the password, now and then through the connection of a call. */
  private async command(call: FuzzCall, n: number, bytes: Buffer): Promise<void> {
    if (n % 8 === 0 && !call.esl.isClosed) {
      call.esl.sendRaw(bytes);
      return;
    }
    if (n % 500 === 0) this.rogue?.close();
    if (!this.rogue || this.rogue.isClosed) {
      this.rogue = await EslLink.open(this.server.esl.port).catch(() => undefined);
      this.rogue?.sendRaw(Buffer.from('event json ALL\n\n'));
    }
    this.rogue?.sendRaw(bytes);
  }

  private play(call: FuzzCall, name: string): void {
    void this.control.command(
      `sendmsg ${call.uuid}\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: ${name}`,
    );
  }

  /** Goes to one of the forks that are open. */
  private async fork(which: number, bytes: Buffer): Promise<void> {
    const { sessions } = this.forkServer;
    const end = performance.now() + FORK_WAIT_MS;
    if (sessions.size === 0) this.calls.keepForks(sessions, this.control);
    while (sessions.size === 0 && performance.now() < end) await sleep(2);
    const session = [...sessions.values()][which % sessions.size];
    if (session) await new Promise<void>((resolve) => session.write(bytes, () => resolve()));
  }

  /** The client of a call that a mutated INVITE made: says something and goes. */
  private async serveStranger(link: EslLink): Promise<void> {
    this.open.add(link);
    void link.closed.then(() => this.open.delete(link));
    const random = Random.of(this.strangers++, 0);
    if (random.below(10) > 0) link.sendRaw(Buffer.from('connect\n\nmyevents\n\n'));
    for (let i = random.below(3); i > 0; i--) link.sendRaw(fillIn(eslCommand(random, CALLS), this.facts));
    await sleep(random.below(STRANGER_STAYS_MS));
    link.close();
  }
}
