import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';

/** Somebody at an address of the loopback network who calls over TCP, so that it is proven that he hears the answers. */
export interface TcpStranger {
  /** Calls a number; resolves with the final response as text. */
  refusal(sipPort: number, number: string, headers?: Record<string, string>): Promise<string>;
  /** Asks by OPTIONS whether somebody is there; resolves with the response as text. */
  options(sipPort: number, headers?: Record<string, string>): Promise<string>;
}

/** Status code of a response as text. */
export const statusOf = (response: string): number => Number(/^SIP\/2\.0 (\d{3})/.exec(response)?.[1]);

/** Opens one; every call is a connection of its own. */
export function tcpStranger(address: string): TcpStranger {
  const ask = async (
    method: 'INVITE' | 'OPTIONS',
    sipPort: number,
    number: string,
    headers: Record<string, string>,
  ) => {
    const socket = connect({ host: '127.0.0.1', port: sipPort, localAddress: address });
    await once(socket, 'connect');
    const uri = `sip:${number}@127.0.0.1:${sipPort};transport=tcp`;
    const callId = randomUUID();
    const head = (method: string, more: string[]): string =>
      [
        `${method} ${uri} SIP/2.0`,
        `Via: SIP/2.0/TCP ${address}:${socket.localPort};branch=z9hG4bK${callId}`,
        `From: <sip:stranger@${address}>;tag=${callId.slice(0, 8)}`,
        `Call-ID: ${callId}`,
        `CSeq: 1 ${method}`,
        'Max-Forwards: 70',
        ...more,
        'Content-Length: 0',
        '\r\n',
      ].join('\r\n');
    const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    socket.write(
      head(method, [`To: <${uri}>`, `Contact: <sip:${address}:${socket.localPort};transport=tcp>`, ...more]),
    );
    let text = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      text += chunk as string;
      const final = /SIP\/2\.0 [2-6]\d\d [\s\S]*?\r\n\r\n/.exec(text)?.[0];
      if (final === undefined) continue;
      const to = /^To: (.*)$/im.exec(final)?.[1]?.trim() ?? `<${uri}>`;
      socket.end(method === 'INVITE' ? head('ACK', [`To: ${to}`]) : '');
      return final;
    }
    throw new Error(`the connection was closed: ${text}`);
  };
  return {
    refusal: (sipPort, number, headers = {}) => ask('INVITE', sipPort, number, headers),
    options: (sipPort, headers = {}) => ask('OPTIONS', sipPort, 'ping', headers),
  };
}
