import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type ServerTransaction, SourceLimits, TransactionLayer } from '@ringwire/sip';
import type { Random } from './random.js';

const PROBE_TIMEOUT_MS = 10_000;

/** Transactions on loopback, with a user that answers in every way; inputs come over UDP, some over TCP. */
export class LiveTarget {
  private probes = 0;

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
      return;
    }
    const tcp = connect(port, '127.0.0.1');
    tcp.on('error', () => tcp.destroy());
    tcp.resume();
    await new Promise<void>((resolve) => {
      tcp.once('close', () => resolve());
      tcp.end(bytes, () => setImmediate(() => tcp.destroy()));
    });
  }

  /** Whether a good request is answered after all that came before it. */
  async probe(): Promise<void> {
    const id = `probe-${this.probes++}`;
    const text = [
      'OPTIONS sip:probe@127.0.0.1 SIP/2.0',
      `Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK${id};rport`,
      'From: <sip:p@127.0.0.1>;tag=p',
      'To: <sip:probe@127.0.0.1>',
      `Call-ID: ${id}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
      '\r\n',
    ].join('\r\n');
    await new Promise<void>((resolve, reject) => {
      const { port } = this.layer.addressFor('udp');
      const send = (): void => this.socket.send(text, port, '127.0.0.1');
      const again = setInterval(send, 500);
      const end = setTimeout(() => finish(new Error('a good request is not answered any more')), PROBE_TIMEOUT_MS);
      const hear = (bytes: Buffer): void => {
        if (bytes.includes(`z9hG4bK${id};`)) finish();
      };
      const finish = (error?: Error): void => {
        clearInterval(again);
        clearTimeout(end);
        this.socket.off('message', hear);
        if (error) reject(error);
        else resolve();
      };
      this.socket.on('message', hear);
      send();
    });
  }

  /** Waits until every transaction has ended by its own timers. @throws when some never do */
  async settle(): Promise<void> {
    const end = performance.now() + PROBE_TIMEOUT_MS;
    const open = (): number => this.layer.gauges.clientTransactions + this.layer.gauges.serverTransactions;
    while (open() > 0) {
      if (performance.now() > end) throw new Error(`${open()} transactions never ended`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
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
