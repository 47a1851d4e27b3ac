import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type ServerTransaction, SourceLimits, TransactionLayer } from '@ringwire/sip';
import { probe, untilZero } from './probe.js';
import type { Random } from './random.js';
import { ShortConnections } from './short-connections.js';

/** Transactions on loopback, with a user that answers in every way; inputs come over UDP, some over TCP. */
export class LiveTarget {
  private readonly connections = new ShortConnections();

  private constructor(
    private readonly layer: TransactionLayer,
    private readonly socket: Socket,
  ) {}

  /** Opens the sockets; `listenerError` hears of exceptions inside the layer's users. */
  static async start(listenerError: (error: unknown) => void): Promise<LiveTarget> {
    const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
    const sourceLimits = new SourceLimits({ requestsPerSecond: 0, bytesPerSecond: 0, refusals: 0, connections: 0 });
    const layer = new TransactionLayer({ listen, timers: { T1: 5 }, sourceLimits });
    layer.on('request', answer);
    layer.on('listenerError', listenerError);
    await layer.start();
    const socket = createSocket('udp4');
    socket.on('error', () => {
      // What was sent is garbage; an error of its answer's way is not the layer's.
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new LiveTarget(layer, socket);
  }

  async send(bytes: Buffer, random: Random): Promise<void> {
    const { port } = this.layer.addressFor('udp');
    if (random.below(20) > 0) {
      await new Promise<void>((resolve) => this.socket.send(bytes, port, '127.0.0.1', () => resolve()));
    } else await this.connections.tcp(port, bytes);
  }

  /** Whether a good request is answered after all that came before it. */
  async probe(): Promise<void> {
    await probe(this.socket, this.layer.addressFor('udp').port);
  }

  /** Waits until every transaction has ended by its own timers. @throws when some never do */
  async settle(): Promise<void> {
    const { layer } = this;
    await untilZero('transactions', () => layer.gauges.clientTransactions + layer.gauges.serverTransactions);
  }

  async stop(): Promise<void> {
    this.socket.close();
    await this.layer.stop();
  }
}

/** Answers by what the request is, so that a seed gives the same run. */
function answer(transaction: ServerTransaction): void {
  transaction.once('cancel', () => transaction.reply(487));
  if (transaction.method !== 'INVITE') {
    transaction.reply(200);
    return;
  }
  const kind = (transaction.request.get('Call-ID') ?? '').length % 3;
  transaction.reply(180);
  if (kind === 0) transaction.reply(486);
  else if (kind === 1) transaction.reply(200);
  else setTimeout(() => transaction.isOpen && transaction.reply(480), 20);
}
