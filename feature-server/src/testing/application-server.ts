/** A customer's web server for tests: real HTTP on loopback, answers scripted per path, requests kept. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PayloadCheck } from '@ringwire/verb-specs/testing/payload-check.js';
import type { Test } from 'tap';
import { Channel } from './fakes.js';

/** A request as it arrived. */
export interface SeenRequest {
  method: string;
  path: string;
  /** With `?`; empty without one. */
  query: string;
  headers: IncomingHttpHeaders;
  body: string;
  json: Record<string, unknown>;
}

/** What a path answers: JSON with 200, or whatever the function does with the response. */
export type Answer = unknown[] | Record<string, unknown> | ((response: ServerResponse, seen: SeenRequest) => void);

/** A running application server. */
export class ApplicationServer {
  readonly requests: SeenRequest[] = [];
  readonly #answers = new Map<string, Answer>();
  readonly #channels = new Map<string, Channel<SeenRequest>>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<ApplicationServer> {
    const application = new ApplicationServer();
    application.#server.listen(0, '127.0.0.1');
    await once(application.#server, 'listening');
    return application;
  }

  /** What is known of the payloads that this application is to get; judged only after {@link checkPayloads}. */
  readonly payloads = new PayloadCheck((fault) => this.#test?.fail(fault));
  #test: Test | undefined;

  /**
   * From now on every body that arrives is held against jambonz' published schemas, and the test fails where one is wrong.
   * Which path is which hook is learned from the verbs that are answered; others are told by `payloads.expect(path, kind)`.
   */
  checkPayloads(t: Test): void {
    this.#test = t;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Scripts a path; the last script counts. Unscripted paths answer 404. */
  on(path: string, answer: Answer): this {
    this.#answers.set(path, answer);
    return this;
  }

  /** The next request to a path, in order of arrival. */
  next(path: string): Promise<SeenRequest> {
    return this.#channel(path).take(`request to ${path}`);
  }

  seen(path: string): SeenRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #channel(path: string): Channel<SeenRequest> {
    const channel = this.#channels.get(path) ?? new Channel<SeenRequest>();
    this.#channels.set(path, channel);
    return channel;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const [, path = '/', query = ''] = /^([^?]*)(.*)$/.exec(request.url ?? '/') ?? [];
    const seen: SeenRequest = {
      method: request.method ?? '',
      path,
      query,
      headers: request.headers,
      body,
      json: body.length > 0 ? (JSON.parse(body) as Record<string, unknown>) : {},
    };
    if (this.#test) this.payloads.see({ hook: path, payload: seen.json });
    this.requests.push(seen);
    this.#channel(path).post(seen);
    const answer = this.#answers.get(path);
    if (answer === undefined) {
      response.writeHead(404).end();
    } else if (typeof answer === 'function') {
      answer(this.#overheard(response), seen);
    } else {
      this.payloads.learn(answer);
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    }
  }

  /** A response whose text tells, once it is sent, which hooks the application named. */
  #overheard(response: ServerResponse): ServerResponse {
    const end = response.end.bind(response) as (...parts: unknown[]) => ServerResponse;
    response.end = ((...parts: unknown[]) => {
      const [text] = parts;
      if (typeof text === 'string' && text.startsWith('[')) this.payloads.learn(parsed(text));
      return end(...parts);
    }) as typeof response.end;
    return response;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A test of what happens when an application answers nonsense.
    return undefined;
  }
}
