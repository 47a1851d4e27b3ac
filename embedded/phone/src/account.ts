import { createHash, randomBytes } from 'node:crypto';
import type { Endpoint, SipMessage, UserAgent } from '@ringwire/sip';
import { PhoneError } from './errors.js';

/** A user of a SIP realm, as whom the phone registers and calls. */
export interface PhoneAccount {
  user: string;
  password: string;
  /** Domain of the address of record. */
  realm: string;
}

/** Seconds that a registration is asked for. */
const EXPIRES_S = 600;

const HASHES = { MD5: 'md5', 'SHA-256': 'sha256' } as const;

/** The value of Authorization that answers a challenge (RFC 7616 §3.4, RFC 8760); undefined where it asks for nothing that we know. */
export function authorization(
  challenge: SipMessage,
  { user, password }: Pick<PhoneAccount, 'user' | 'password'>,
  { method, uri }: { method: string; uri: string },
): string | undefined {
  for (const asked of challenge.getAll('WWW-Authenticate')) {
    const field = (name: string): string | undefined =>
      new RegExp(`[ ,]${name}\\s*=\\s*(?:"([^"]*)"|([^",\\s]+))`, 'i').exec(asked)?.slice(1).find(Boolean);
    const algorithm = (field('algorithm') ?? 'MD5').toUpperCase();
    const [realm, nonce, qop] = [field('realm') ?? '', field('nonce') ?? '', field('qop') ?? ''];
    if ((algorithm !== 'MD5' && algorithm !== 'SHA-256') || !qop.split(',').some((one) => one.trim() === 'auth'))
      continue;
    const hash = (text: string): string => createHash(HASHES[algorithm]).update(text).digest('hex');
    const cnonce = randomBytes(8).toString('hex');
    const proof = hash(
      `${hash(`${user}:${realm}:${password}`)}:${nonce}:00000001:${cnonce}:auth:${hash(`${method}:${uri}`)}`,
    );
    return `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${proof}", algorithm=${algorithm}, cnonce="${cnonce}", qop=auth, nc=00000001`;
  }
  return undefined;
}

/**
 * Registers a user agent's own address, and again after half of the time that it was granted.
 *
 * @returns what takes the registration away again; never rejects
 * @throws PhoneError `phone/not-registered` when the registrar refuses or does not answer
 */
export async function register(
  agent: UserAgent,
  account: PhoneAccount,
  registrar: Endpoint,
): Promise<() => Promise<void>> {
  const { user, realm } = account;
  const me = `<sip:${user}@${realm}>`;
  const uri = `sip:${realm}`;
  const callId = randomBytes(12).toString('hex');
  let cseq = 0;
  const send = async (expiresS: number): Promise<SipMessage> => {
    const once = async (more: Record<string, string>): Promise<SipMessage> => {
      cseq++;
      const answer = await agent.request({
        ...{ method: 'REGISTER', uri, to: me, from: me, callId, destination: registrar },
        headers: {
          CSeq: `${cseq} REGISTER`,
          Contact: `<${agent.contactUri(registrar.transport, registrar.host)}>`,
          Expires: `${expiresS}`,
          ...more,
        },
      });
      if (!answer) throw new PhoneError('phone/not-registered', `${registrar.host} does not answer REGISTER`);
      return answer;
    };
    const first = await once({});
    const proof = first.status === 401 ? authorization(first, account, { method: 'REGISTER', uri }) : undefined;
    return proof === undefined ? first : await once({ Authorization: proof });
  };
  const answer = await send(EXPIRES_S);
  if (answer.status !== 200) {
    throw new PhoneError('phone/not-registered', `REGISTER was answered with ${answer.status} ${answer.reason}`);
  }
  const grantedS = Number(/;expires=(\d+)/i.exec(answer.getAll('Contact').join())?.[1] ?? EXPIRES_S);
  const timer = setInterval(() => void send(EXPIRES_S).catch(() => 'the next one may get through'), grantedS * 500);
  return async () => {
    clearInterval(timer);
    await send(0).catch(() => 'it ends by itself');
  };
}
