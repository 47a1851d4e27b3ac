import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createLogger } from '@ringwire/common/log/logger.js';
import { readArguments } from '@ringwire/sip-server/arguments.js';
import { type SipServer, startSipServer } from '@ringwire/sip-server/server.js';
import { Application } from './application.js';
import { controlInput } from './control-input.js';
import { ControlLink } from './control-link.js';
import { Conversation } from './conversation.js';
import { mutate } from './mutate.js';
import { probe, untilZero } from './probe.js';
import type { Random } from './random.js';
import { ShortConnections } from './short-connections.js';

const SECRET = 'cymru';
const FLAGS = ['--contact', 'sip:127.0.0.1:0;transport=udp,tcp,ws', '--port', '0', '--source-limit', 'off'];

/**
 * A whole server with an application that takes and places calls. Inputs come as strangers' messages over UDP, TCP and
 * WebSocket, as mutated next messages of the calls that exist, and as commands of a broken application.
 */
export class ServerTarget {
  private readonly conversation = new Conversation(() => this.socket.address().port);
  private readonly connections = new ShortConnections();
  private rogue: ControlLink | undefined;

  private constructor(
    private readonly server: SipServer,
    private readonly application: Application,
    private readonly socket: Socket,
  ) {
    socket.on('message', (bytes) => this.conversation.hear(bytes));
  }

  /** Starts it; `failed` hears of what the server itself counts as a bug. */
  static async start(failed: (error: unknown) => void): Promise<ServerTarget> {
    const logger = createLogger({ name: 'fuzz', level: 'silent' });
    logger.error = ((details: { err?: unknown }, text?: string) => failed(details.err ?? text ?? details)) as never;
    const timers = { T1: 5 };
    const server = await startSipServer(readArguments(FLAGS), { logger, instanceId: 'fuzz', timers });
    const socket = createSocket('udp4');
    socket.on('error', () => {
      // What was sent is garbage; an error of its answer's way is not the server's.
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const application = new Application(server.controlPort, SECRET, socket.address().port);
    await application.connect();
    return new ServerTarget(server, application, socket);
  }

  /** Sends the input, or what the state of things makes of it. @returns what was sent */
  async send(bytes: Buffer, random: Random, seeds: readonly Buffer[]): Promise<Buffer> {
    if (random.below(20) === 0) this.application.act(random);
    const kind = random.below(20);
    if (kind === 0) return await this.command(controlInput(random, this.application.ids));
    const { layer } = this.server;
    const next = kind < 12 ? this.conversation.next(random) : undefined;
    const message = next ? mutate(next, random, seeds, Math.max(0, random.below(5) - 1)) : bytes;
    if (kind === 19) await this.connections.webSocket(layer.addressFor('ws').port, message);
    else if (kind === 18) await this.connections.tcp(layer.addressFor('tcp').port, message);
    else {
      const { port } = layer.addressFor('udp');
      await new Promise<void>((resolve) => this.socket.send(message, port, '127.0.0.1', () => resolve()));
    }
    return message;
  }

  /** Whether a good request reaches the application and is answered. */
  async probe(): Promise<void> {
    // It may have asked for OPTIONS, and does not answer.
    await this.rogue?.close();
    await probe(this.socket, this.server.layer.addressFor('udp').port);
  }

  /** Takes the application away and waits until everything it had has ended. @throws when something never does */
  async settle(): Promise<void> {
    await this.rogue?.close();
    await this.application.disconnect();
    const { layer, bridge } = this.server;
    await untilZero('dialogs', () => bridge.dialogCount);
    await untilZero(
      'requests of or to the application',
      () => bridge.pendingCounts.server + bridge.pendingCounts.client,
    );
    await untilZero('transactions', () => layer.gauges.clientTransactions + layer.gauges.serverTransactions);
    await this.application.connect();
  }

  async stop(): Promise<void> {
    await this.rogue?.close();
    await this.application.disconnect();
    await this.server.stop();
    this.socket.close();
  }

  private async command(bytes: Buffer): Promise<Buffer> {
    if (!this.rogue || this.rogue.isClosed) {
      this.rogue = await ControlLink.open(this.server.controlPort, SECRET, () => {});
    }
    this.rogue.sendRaw(bytes);
    return bytes;
  }
}
