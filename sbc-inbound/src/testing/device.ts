import { createHash } from 'node:crypto';
import type { Database } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import {
  createUserAgent,
  type Dialog,
  type IncomingCall,
  type OutgoingCall,
  type SipMessage,
  type UserAgent,
} from '@ringwire/sip';
import { startAudio, type TestAudio } from './media.js';
import type { Teardown } from './stores.js';

/** SIP realm of the seed's first account. */
export const REALM = 'one.example.com';

/** A user's row as tests vary it. */
export interface ClientRow {
  username: string;
  password?: string;
  is_active?: number;
  allow_direct_app_calling?: number;
  allow_direct_user_calling?: number;
  call_limit?: number | null;
  account_sid?: string;
}

/** Writes users of the seed's first account. */
export async function addClients(db: Database, clients: readonly ClientRow[]): Promise<void> {
  for (const [index, client] of clients.entries()) {
    const row = {
      client_sid: `00000000-0000-4000-8000-0000000c${String(index).padStart(2, '0')}${client.username.length.toString(16).padStart(2, '0')}`,
      account_sid: SEED.accountSid,
      password: 'secret',
      ...client,
    };
    await db.execute(`INSERT INTO clients (${Object.keys(row).join(', ')}) VALUES (?)`, [Object.values(row)]);
  }
}

/** Where and as whom a device is. */
export interface DeviceOptions {
  user: string;
  sipPort: number;
  password?: string;
  realm?: string;
  transport?: 'udp' | 'tcp';
  /** No gateway's address. @defaultValue 127.0.0.2 */
  host?: string;
  algorithm?: 'SHA-256' | 'MD5';
}

/** What a request says besides what it always says. */
export interface DeviceRequest {
  headers?: Record<string, string>;
  body?: string;
  /** Instead of the realm, or the user at it. */
  uri?: string;
  to?: string;
  /** Sends this instead of what the challenge asks for. */
  authorization?: (challenge: SipMessage) => string | undefined;
}

/** A telephone of a user, which proves who it is. */
export interface TestDevice {
  readonly agent: UserAgent;
  readonly audio: TestAudio;
  /** What its Contact says. */
  readonly contact: string;
  /** Calls that came, in order. */
  readonly invites: SipMessage[];
  /** What it does with a call; by default it rings. */
  behave: (call: IncomingCall) => void;
  /** Sends a request outside dialogs, with proof where it is asked for. */
  send(method: string, request?: DeviceRequest): Promise<SipMessage>;
  /** Registers its contact. */
  register(headers?: Record<string, string>): Promise<SipMessage>;
  /** Calls a user of its realm, or a whole URI; with or without an offer. */
  call(target: string, headers?: Record<string, string>, offers?: boolean): Promise<OutgoingCall>;
  /** Answers the next call. */
  answerNext(): Promise<{ call: IncomingCall; dialog: Dialog }>;
}

const fieldOf = (challenge: string, name: string): string =>
  new RegExp(`\\b${name}="?([^",]*)"?`).exec(challenge)?.[1] ?? '';

/** An Authorization header, computed apart from the code under test (RFC 7616 §3.4.1). */
export function authorize(
  challenge: SipMessage,
  who: { user: string; password: string; algorithm: 'SHA-256' | 'MD5' },
  request: { method: string; uri: string },
  nc = '00000001',
): string | undefined {
  const asked = challenge.getAll('WWW-Authenticate').find((one) => fieldOf(one, 'algorithm') === who.algorithm);
  if (asked === undefined) return undefined;
  const hash = (text: string): string =>
    createHash(who.algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const [realm, nonce] = [fieldOf(asked, 'realm'), fieldOf(asked, 'nonce')];
  const a1 = hash(`${who.user}:${realm}:${who.password}`);
  const response = hash(`${a1}:${nonce}:${nc}:0a4f113b:auth:${hash(`${request.method}:${request.uri}`)}`);
  return `Digest username="${who.user}", realm="${realm}", nonce="${nonce}", uri="${request.uri}", response="${response}", algorithm=${who.algorithm}, cnonce="0a4f113b", qop=auth, nc=${nc}`;
}

/** Opens a telephone; it goes away with the test. */
export async function startDevice(t: Teardown, options: DeviceOptions): Promise<TestDevice> {
  const { user, sipPort, password = 'secret', realm = REALM, transport = 'udp', host = '127.0.0.2' } = options;
  const { algorithm = 'SHA-256' } = options;
  const agent = await createUserAgent({ listen: [{ transport, host, port: 0 }], user });
  t.teardown(() => agent.stop());
  const audio = await startAudio(t);
  const destination = { transport, host: '127.0.0.1', port: sipPort } as const;
  const me = `<sip:${user}@${realm}>`;
  const callId = `${user}-${Math.random()}`;
  let cseq = 0;
  const device: TestDevice = {
    agent,
    audio,
    contact: agent.contactUri(transport),
    invites: [],
    behave: (call) => call.ring(),
    async send(method, { headers = {}, body, uri = `sip:${realm}`, to = me, authorization } = {}) {
      const once = async (more: Record<string, string>): Promise<SipMessage> => {
        cseq++;
        const response = await agent.request({
          ...{ method, uri, to, from: me, callId, destination },
          headers: { CSeq: `${cseq} ${method}`, ...headers, ...more },
          ...(body === undefined ? {} : { content: { body, contentType: headers['Content-Type'] ?? 'text/plain' } }),
        });
        if (!response) throw new Error(`no answer to ${method}`);
        return response;
      };
      const first = await once({});
      if (first.status !== 401) return first;
      const proof = authorization
        ? authorization(first)
        : authorize(first, { user, password, algorithm }, { method, uri });
      return proof === undefined ? first : await once({ Authorization: proof });
    },
    register: (headers = {}) => device.send('REGISTER', { headers: { Contact: `<${device.contact}>`, ...headers } }),
    async call(target, headers = {}, offers = true) {
      const media = offers ? { sdp: audio.sdp } : { onOffer: () => audio.sdp };
      const uri = target.startsWith('sip:') ? target : `sip:${target}@${realm}`;
      const invite = (more: Record<string, string>, number: number, id?: string): OutgoingCall =>
        agent.invite({
          ...{ uri, from: me, ...media, destination, ...(id === undefined ? {} : { callId: id }) },
          headers: { CSeq: `${number} INVITE`, ...headers, ...more },
        });
      const first = invite({}, 1);
      const challenge = await new Promise<SipMessage | undefined>((resolve) => {
        first.once('progress', () => resolve(undefined));
        first.once('answered', () => resolve(undefined));
        first.once('failed', ({ status, response }) => resolve(status === 401 ? (response as SipMessage) : undefined));
      });
      const proof = challenge && authorize(challenge, { user, password, algorithm }, { method: 'INVITE', uri });
      return proof === undefined ? first : invite({ Authorization: proof }, 2, first.callId);
    },
    answerNext: () =>
      new Promise((resolve, reject) => {
        const before = device.behave;
        device.behave = (call) => {
          device.behave = before;
          call.ring();
          const dialog = call.accept(audio.sdp);
          if (dialog) resolve({ call, dialog });
          else reject(new Error('the caller gave up'));
        };
      }),
  };
  agent.onInvite((call) => {
    device.invites.push(call.request);
    device.behave(call);
  });
  return device;
}
