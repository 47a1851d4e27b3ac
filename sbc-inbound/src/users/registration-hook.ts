import type { Account, Webhook } from '@ringwire/common';
import { aorText } from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { callHook } from '@ringwire/common/http/call-hook.js';
import type { DigestCredentials } from '@ringwire/common/sip/digest/credentials.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import type { User, UserRefusal } from './types.js';

/** What a registration hook said. */
export type HookVerdict = { ok: true; user: User } | { ok: false; refusal: UserRefusal };

/** Where a request comes from. */
export interface RequestSource {
  address: string;
  port: number;
}

/** Seconds; longer registrations are a mistake. */
const MAX_EXPIRES_S = 86_400;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 1024 ? value : undefined;
/** A URL as it may stand in a SIP header; what is none is passed over. */
const urlOf = (value: unknown): string | undefined => {
  const text = textOf(value);
  return text && /^(https?|wss?):\/\/[\x21-\x7e]+$/i.test(text) && URL.canParse(text) ? text : undefined;
};

/** Absent: as users with a password of ours have it by default. */
const allows = (value: unknown): boolean => value === undefined || value === null || value === true || value === 1;

/** The payload of jambonz's SIP authentication hook: the digest as the device sent it, never a password. */
function payloadOf(request: SipRequest, source: RequestSource, credentials: DigestCredentials, asked: number | null) {
  const { username, realm, nonce, uri, algorithm, response, nc, cnonce } = credentials;
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !/^(proxy-)?authorization$/i.test(name)),
  );
  return {
    source_address: source.address,
    source_port: source.port,
    method: request.method,
    headers,
    ...(asked === null ? {} : { expires: asked }),
    scheme: 'digest',
    ...{ username, realm, nonce, uri, algorithm, response, qop: 'auth', nc, cnonce },
  };
}

/** Custom headers that a hook wants in the refusal. */
function headersOf(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] =>
      /^X-[\w-]{1,60}$/i.test(entry[0]) && typeof entry[1] === 'string' && /^[\x20-\x7e]{1,255}$/.test(entry[1]),
  );
  return Object.fromEntries(entries.slice(0, 10));
}

/** Asks an account's registration hook whether credentials are right (jambonz's webhook contract). Never rejects. */
export async function askRegistrationHook(options: {
  hook: Webhook;
  account: Account;
  request: SipRequest;
  source: RequestSource;
  credentials: DigestCredentials;
  /** Seconds that a REGISTER asks for; null for other requests. */
  asked: number | null;
  guard: AddressGuard;
}): Promise<HookVerdict> {
  const { hook, account, request, source, credentials, asked, guard } = options;
  const refuse = (refusal: UserRefusal): HookVerdict => ({ ok: false, refusal });
  const payload = payloadOf(request, source, credentials, asked);
  let answer: Awaited<ReturnType<typeof callHook>>;
  try {
    answer = await callHook({ hook, payload, secret: account.webhookSecret, guard });
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return refuse({
      status: 503,
      reason: 'users cannot be authenticated now',
      cause,
      metric: 'hook-failed',
      headers: { 'Retry-After': '10' },
      alert: {
        alertType: 'webhook-connection-failure',
        message: `registration hook: ${cause}`,
        targetSid: hook.webhookSid,
      },
    });
  }
  const { status, json } = answer;
  if (status !== 200) {
    const isServers = status >= 500;
    return refuse({
      status: status >= 400 && status <= 699 ? status : 503,
      reason: `registration hook answered ${status}`,
      metric: isServers ? 'hook-failed' : 'bad-credentials',
      ...(isServers
        ? {
            alert: {
              alertType: 'webhook-failure',
              message: `registration hook answered ${status}`,
              targetSid: hook.webhookSid,
            },
          }
        : {}),
    });
  }
  const said = isRecord(json) ? json : {};
  if (typeof said.status !== 'string' || !/^ok$/i.test(said.status)) {
    const isSpam = said.blacklist === true;
    return refuse({
      status: 403,
      reason: isSpam ? 'Forbidden: detected potential spammer' : 'Invalid credentials',
      cause: `the registration hook says: ${textOf(said.msg) ?? said.status ?? 'nothing'}`,
      metric: 'bad-credentials',
      headers: headersOf(said.headers),
    });
  }
  const expires = Number(said.expires);
  const callHookUrl = urlOf(said.call_hook);
  const statusHookUrl = urlOf(said.call_status_hook);
  return {
    ok: true,
    user: {
      account,
      username: credentials.username,
      aor: aorText({ user: credentials.username, realm: credentials.realm.toLowerCase() }),
      allowDirectAppCalling: allows(said.allow_direct_app_calling),
      allowDirectQueueCalling: allows(said.allow_direct_queue_calling),
      allowDirectUserCalling: allows(said.allow_direct_user_calling),
      applicationSid: textOf(said.application_sid) ?? null,
      expiresS: Number.isInteger(expires) && expires > 0 ? Math.min(expires, MAX_EXPIRES_S) : null,
      callLimit: null,
      hooks: {
        ...(callHookUrl === undefined ? {} : { callHook: callHookUrl }),
        ...(statusHookUrl === undefined ? {} : { callStatusHook: statusHookUrl }),
      },
    },
  };
}
