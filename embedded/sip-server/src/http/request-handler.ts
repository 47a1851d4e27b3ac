import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import { parseNameAddr, parseUri, type ServerTransaction } from '@ringwire/sip';
import { RoutingError } from '../errors.js';

/** What the handler says to do with a request. */
export type Instruction =
  | { action: 'route'; tag: string }
  | { action: 'reject'; status: number; reason: string | undefined }
  | { action: 'redirect'; contacts: string[] };

export interface RequestHandlerOptions {
  url: string;
  method: 'GET' | 'POST';
  /** SIP methods that are asked about, upper case. */
  sipMethods: ReadonlySet<string>;
  /** @defaultValue 1000 */
  timeoutMs?: number;
}

/** An answer is a few hundred bytes; more is not read. */
const MAX_ANSWER_BYTES = 65_536;
const MAX_SOCKETS = 256;

/** drachtio's HTTP request-handler: asks a URL which application takes a new request. */
export class RequestHandler {
  private readonly agent: Agent;

  constructor(private readonly options: RequestHandlerOptions) {
    const secure = options.url.startsWith('https:');
    this.agent = new (secure ? TlsAgent : Agent)({ keepAlive: true, maxSockets: MAX_SOCKETS });
  }

  handles(sipMethod: string): boolean {
    return this.options.sipMethods.has(sipMethod) || this.options.sipMethods.has('*');
  }

  /** Asks about a request. @throws RoutingError on time-out, on a status but 200 and on an answer that is no instruction */
  async ask(transaction: ServerTransaction, uid: string): Promise<Instruction> {
    const url = new URL(this.options.url);
    for (const [name, value] of Object.entries(factsOf(transaction, uid))) url.searchParams.append(name, value);
    const body = this.options.method === 'POST' ? transaction.request.toString() : undefined;
    return readInstruction(await this.fetch(url, body));
  }

  close(): void {
    this.agent.destroy();
  }

  private async fetch(url: URL, body: string | undefined): Promise<string> {
    const { method, timeoutMs = 1000 } = this.options;
    return await new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const headers =
        body === undefined ? {} : { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) };
      const request = send(url, { method, agent: this.agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER_BYTES) request.destroy(new RoutingError('answer too large'));
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve(text);
          else reject(new RoutingError('request-handler refused', { status: response.statusCode }));
        });
      });
      const timer = setTimeout(
        () => request.destroy(new RoutingError('request-handler timed out', { timeoutMs })),
        timeoutMs,
      );
      request.on('close', () => clearTimeout(timer));
      request.on('error', reject);
      request.end(body);
    });
  }
}

function factsOf({ request, source }: ServerTransaction, uid: string): Record<string, string> {
  const uri = parseUri(request.uri);
  const userOf = (header: string): string => parseUri(parseNameAddr(request.get(header) ?? '')?.uri ?? '')?.user ?? '';
  return {
    method: request.method,
    domain: uri?.host ?? '',
    protocol: source.transport,
    source_address: source.host,
    source_port: String(source.port),
    fromUser: userOf('From'),
    toUser: userOf('To'),
    uriUser: uri?.user ?? '',
    contentType: request.get('Content-Type') ?? '',
    uri: request.uri,
    uid,
  };
}

/** Reads `{ action, data }`. @throws RoutingError when it is no instruction that this server can follow */
export function readInstruction(text: string): Instruction {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (err) {
    throw new RoutingError('answer is not JSON', {}, { cause: err });
  }
  const { action, data } = (answer ?? {}) as { action?: unknown; data?: Record<string, unknown> | null };
  if (typeof data !== 'object' || data === null) throw new RoutingError('answer has no data');
  if (action === 'route' && typeof data.tag === 'string' && data.tag !== '') return { action, tag: data.tag };
  if (action === 'reject' && typeof data.status === 'number' && data.status >= 300 && data.status <= 699) {
    const reason = typeof data.reason === 'string' ? data.reason.replace(/[\r\n]/g, ' ') : undefined;
    return { action, status: Math.trunc(data.status), reason };
  }
  if (action === 'redirect') {
    const given = data.contacts ?? data.contact;
    const contacts = (Array.isArray(given) ? given : [given]).filter(
      (contact): contact is string => typeof contact === 'string' && contact !== '' && !/[\r\n]/.test(contact),
    );
    if (contacts.length > 0) return { action, contacts };
  }
  throw new RoutingError('answer is no instruction', { action });
}
