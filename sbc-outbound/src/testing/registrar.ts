/** A carrier's registrar of tests: real SIP, and it says what it was asked. */
import type { Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import {
  createUserAgent,
  parseNameAddr,
  type ServerTransaction,
  type SipMessage,
  splitList,
  type UserAgent,
} from '@ringwire/sip';
import { md5, proves, sha256 } from './carriers.js';

/** What a registrar does with a REGISTER; undefined leaves it without an answer. */
export type Answer =
  | { status: number; reason?: string; headers?: Record<string, string> }
  | { challenge: 'MD5' | 'SHA-256' }
  | { granted: number }
  | undefined;

/** A registrar on a free port. */
export interface TestRegistrar {
  /** Places and takes the carrier's calls. */
  readonly agent: UserAgent;
  readonly host: string;
  readonly port: number;
  /** REGISTERs that came, in order. */
  readonly requests: SipMessage[];
  /** Contacts that are registered, with the seconds that they were granted. */
  readonly bindings: ReadonlyMap<string, number>;
  /** Highest number of bindings at the same time, and whether there was ever none since the first. */
  readonly most: number;
  readonly wasEmpty: boolean;
  /** Answers the n-th REGISTER, from 1. */
  answer: (request: SipMessage, count: number) => Answer;
}

const HASHES = { MD5: md5, 'SHA-256': sha256 };

/** Whether a REGISTER carries the answer to a challenge of ours. */
export const isProven = (request: SipMessage, algorithm: 'MD5' | 'SHA-256', password = 'secret'): boolean =>
  proves(request, 'Authorization', HASHES[algorithm], password);

/** Grants so many seconds to whoever proves the password, and challenges all others. */
export const withPassword =
  (algorithm: 'MD5' | 'SHA-256', grantedSec: number, password = 'secret') =>
  (request: SipMessage): Answer =>
    isProven(request, algorithm, password) ? { granted: grantedSec } : { challenge: algorithm };

/** Starts one that answers as the test says. */
export async function startRegistrar(
  t: Teardown,
  answer: TestRegistrar['answer'],
  address = '127.0.0.1',
): Promise<TestRegistrar> {
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: address, port: 0 }], user: '15550003333' });
  t.teardown(() => agent.stop());
  const { host, port } = agent.addresses[0]!;
  const bindings = new Map<string, number>();
  const registrar = { agent, host, port, requests: [] as SipMessage[], bindings, most: 0, wasEmpty: false, answer };
  agent.onRequest((transaction) => {
    const { request } = transaction;
    if (request.method !== 'REGISTER') {
      transaction.reply(200);
      return;
    }
    registrar.requests.push(request);
    respond(transaction, registrar.answer(request, registrar.requests.length), bindings);
    registrar.most = Math.max(registrar.most, bindings.size);
    if (registrar.most > 0 && bindings.size === 0) registrar.wasEmpty = true;
  });
  return registrar;
}

function respond(transaction: ServerTransaction, answer: Answer, bindings: Map<string, number>): void {
  const { request } = transaction;
  if (answer === undefined) return;
  if ('challenge' in answer) {
    const response = transaction.makeResponse(401);
    const nonce = `n${Math.random().toString(36).slice(2)}`;
    const { challenge } = answer;
    response.add('WWW-Authenticate', `Digest realm="carrier", nonce="${nonce}", algorithm=${challenge}, qop="auth"`);
    transaction.respond(response);
  } else if ('granted' in answer) {
    for (const text of request.getAll('Contact').flatMap(splitList)) {
      const contact = parseNameAddr(text);
      if (!contact) continue;
      const asked = contact.params?.get('expires') ?? request.get('Expires') ?? '3600';
      if (asked === '0') bindings.delete(contact.uri);
      else bindings.set(contact.uri, answer.granted);
    }
    const response = transaction.makeResponse(200);
    for (const [uri, seconds] of bindings) response.add('Contact', `<${uri}>;expires=${seconds}`);
    transaction.respond(response);
  } else {
    const response = transaction.makeResponse(answer.status, answer.reason);
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.add(name, value);
    transaction.respond(response);
  }
}
