import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { SipTransportError } from './errors.js';
import type { Endpoint, Transport, TransportSink } from './transport.js';

/** SIP over UDP: one datagram is one message. */
export class UdpTransport implements Transport {
  private constructor(
    private readonly socket: Socket,
    readonly local: Endpoint,
  ) {}

  /** Binds; port 0 takes a free one. @throws the socket's error when the address is taken. */
  static async open(host: string, port: number, sink: TransportSink): Promise<UdpTransport> {
    const socket = createSocket({
      type: isIP(host) === 6 ? 'udp6' : 'udp4',
      ipv6Only: isIP(host) === 6,
      recvBufferSize: 4 * 1024 * 1024,
      sendBufferSize: 4 * 1024 * 1024,
      lookup: lookupIn(isIP(host) === 6 ? 6 : 4),
    });
    // A literal is bound at once, so the listener comes first.
    const listening = once(socket, 'listening');
    socket.bind(port, host);
    await listening;
    const local: Endpoint = { transport: 'udp', host, port: socket.address().port };
    socket.on('message', (bytes, from) => {
      if (bytes.length <= 4 && /^[\r\n\0]*$/.test(bytes.toString('latin1'))) sink.keepAlive();
      else sink.message(bytes, { transport: 'udp', host: from.address, port: from.port, local });
    });
    // ICMP errors of earlier datagrams surface here; the transaction's timer is what ends it.
    socket.on('error', () => sink.refused());
    return new UdpTransport(socket, local);
  }

  send(bytes: Buffer, to: Endpoint, _connectionId: number | undefined, done: (error?: Error) => void): undefined {
    try {
      this.socket.send(bytes, to.port, to.host, (error) => (error ? done(SipTransportError.of(error)) : done()));
    } catch (error) {
      // A closed socket and a port out of range throw here.
      queueMicrotask(() => done(new SipTransportError('datagram not sent', { cause: error })));
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}

/** Spares the resolver for literals (called for every datagram); names are looked up in the socket's own family. */
function lookupIn(family: 4 | 6): typeof lookup {
  const find = (
    host: string,
    _options: unknown,
    callback: (error: Error | null, address: string, family: number) => void,
  ): void => {
    const literal = isIP(host);
    if (literal === 0) lookup(host, { family }, callback);
    else if (literal === family) callback(null, host, family);
    else callback(new SipTransportError(`${host} is not an IPv${family} address`), '', family);
  };
  return find as unknown as typeof lookup;
}
