import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { parseNameAddr, parseUri, type ServerTransaction } from '@ringwire/sip';
import { PROTOCOL } from '../app-message.js';
import type { TlsTrust } from '../control/outbound-connections.js';
import { RoutingError } from '../errors.js';
import { type Instruction, readInstruction } from './instruction.js';

export interface RequestHandlerOptions {
  /** http or https; `tcp://host:port` and `tls://host:port` name an application that is connected to without asking. */
  url: string;
  method: 'GET' | 'POST';
  /** SIP methods that are asked about, upper case; `*` for those that no other handler names. */
  sipMethods: ReadonlySet<string>;
  /** For https. @defaultValue servers must prove their name */
  trust?: TlsTrust;
  /** For the connection and for the whole exchange. @defaultValue 2000 and 3000 as drachtio-server has them */
  connectTimeoutMs?: number;
  timeoutMs?: number;
}

/** An answer is a few hundred bytes; drachtio-server reads as much. */
const MAX_ANSWER_BYTES = 16_384;
/** Exchanges at a time; further ones wait for one of these within their own time-out. */
const MAX_SOCKETS = 256;
const MAX_REDIRECTS = 5;

/** drachtio's HTTP request-handler: asks a URL which application takes a new request. */
export class RequestHandler {
  private readonly agent: Agent;
  private readonly direct: Instruction | undefined;

  constructor(private readonly options: RequestHandlerOptions) {
    const { url, trust = { verifyServers: true } } = options;
    const pool = { keepAlive: true, maxSockets: MAX_SOCKETS };
    const { ca, verifyServers } = trust;
    this.agent = url.startsWith('https:')
      ? new TlsAgent({ ...pool, rejectUnauthorized: verifyServers, ...(ca === undefined ? {} : { ca }) })
      : new Agent(pool);
    const direct = /^(tcp|tls):\/\/(.+)$/.exec(url);
    this.direct = direct
      ? readInstruction(JSON.stringify({ action: 'route', data: { uri: `${direct[2]};transport=${direct[1]}` } }))
      : undefined;
  }

  handles(sipMethod: string): boolean {
    return this.options.sipMethods.has(sipMethod);
  }

  /**
   * Asks about a request. The body of the answer counts, not its status.
   * @throws RoutingError on time-out and on an answer that is no instruction; the socket's errors
   */
  async ask(transaction: ServerTransaction, uid: string): Promise<Instruction> {
    if (this.direct) return this.direct;
    const url = new URL(this.options.url);
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    for (const [name, value] of factsOf(transaction, uid)) url.searchParams.append(name, value);
    const body = this.options.method === 'POST' ? transaction.request.toString() : undefined;
    const { timeoutMs = 3000 } = this.options;
    return readInstruction(await this.fetch(url, body, performance.now() + timeoutMs, MAX_REDIRECTS));
  }

  close(): void {
    this.agent.destroy();
  }

  private async fetch(url: URL, body: string | undefined, deadlineMs: number, redirects: number): Promise<string> {
    const response = await this.exchange(url, body, deadlineMs);
    if (response.location === undefined) return response.text;
    if (redirects === 0) throw new RoutingError('request-handler redirects without end');
    if (!URL.canParse(response.location, url.href)) throw new RoutingError('request-handler redirects to no URL');
    const next = new URL(response.location, url);
    // The connections of the pool are all of one kind.
    if (next.protocol !== url.protocol) throw new RoutingError('request-handler redirects to another protocol');
    // RFC 9110 §15.4: 307 and 308 keep the method.
    const keeps = response.status === 307 || response.status === 308;
    return await this.fetch(next, keeps ? body : undefined, deadlineMs, redirects - 1);
  }

  private async exchange(url: URL, body: string | undefined, deadlineMs: number): Promise<Answer> {
    const { connectTimeoutMs = 2000 } = this.options;
    return await new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const headers = {
        accept: 'application/json',
        'user-agent': 'Drachtio/ringwire',
        ...(body === undefined
          ? {}
          : { 'content-type': 'text/plain; charset=UTF-8', 'content-length': Buffer.byteLength(body) }),
      };
      const method = body === undefined ? 'GET' : 'POST';
      const request = send(url, { method, agent: this.agent, headers }, (response) => {
        readBody(response).then((text) => {
          const { statusCode: status = 0, headers } = response;
          const isRedirect = [301, 302, 303, 307, 308].includes(status);
          resolve({ status, text, location: isRedirect ? headers.location : undefined });
        }, reject);
      });
      const giveUp = (what: string): void => void request.destroy(new RoutingError(what));
      const timer = setTimeout(() => giveUp('request-handler timed out'), Math.max(0, deadlineMs - performance.now()));
      const connecting = setTimeout(() => {
        if (request.socket?.connecting) giveUp('request-handler cannot be reached');
      }, connectTimeoutMs);
      request.on('close', () => {
        clearTimeout(timer);
        clearTimeout(connecting);
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

interface Answer {
  status: number;
  text: string;
  location: string | undefined;
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new RoutingError('answer too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}

/**
 * The query: drachtio's names and order, the parameters of the Request-URI, then `source_port` and `uid`, which are ours. A parameter with the
 * name of a fact is left out: who calls must not say where the call came from.
 */
function factsOf({ request, source }: ServerTransaction, uid: string): Array<[string, string]> {
  const uri = parseUri(request.uri);
  const userOf = (header: string): string => parseUri(parseNameAddr(request.get(header) ?? '')?.uri ?? '')?.user ?? '';
  const facts: Array<[string, string]> = [
    ['method', request.method],
    ['domain', uri?.host ?? ''],
    ['protocol', PROTOCOL[source.transport]],
    ['source_address', source.host],
    ['fromUser', userOf('From')],
    ['toUser', userOf('To')],
    ['uriUser', uri?.user ?? ''],
    ['contentType', (request.get('Content-Type') ?? '').split(';', 1)[0]!.trim()],
    ['uri', request.uri],
  ];
  const ours: Array<[string, string]> = [
    ['source_port', String(source.port)],
    ['uid', uid],
  ];
  const taken = new Set([...facts, ...ours].map(([name]) => name.toLowerCase()));
  const said = [...(uri?.params ?? [])].filter(([name]) => !taken.has(name.toLowerCase()));
  return [...facts, ...said.map(([name, value]): [string, string] => [name, String(value ?? '')]), ...ours];
}
