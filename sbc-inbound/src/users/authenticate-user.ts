import {
  type Account,
  aorText,
  type Client,
  type ProvisioningSnapshot,
  type VoipCarrier,
  type Webhook,
} from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import type { Candidates, DigestServer } from '@ringwire/common/sip/digest/digest-server.js';
import type { DigestAlgorithm } from '@ringwire/common/sip/digest/response.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { askRegistrationHook, type RequestSource } from './registration-hook.js';
import type { User, UserRefusal } from './types.js';

/** What telling users apart looks at. */
export interface UserContext {
  snapshot: Pick<ProvisioningSnapshot, 'findClient' | 'registrationHookOf'>;
  digest: Pick<DigestServer, 'check' | 'challenge' | 'nonceOf'>;
  /** Keeps hooks away from our own network. */
  guard: AddressGuard;
  /** Whether an operator lets digests be MD5. */
  allowsMd5: boolean;
}

/** Who sent a request to an account's realm. */
export type Proven =
  | { ok: true; user: User }
  | { ok: true; trunks: VoipCarrier[]; username: string }
  | { ok: false; refusal: UserRefusal };

/** Customers' hooks compute the response themselves, and those written for jambonz know MD5 only. */
const HOOK_ALGORITHMS: readonly DigestAlgorithm[] = ['MD5'];

type Who = { user: User } | { trunk: VoipCarrier };

const userOf = (account: Account, realm: string, client: Client): User => ({
  account,
  username: client.username,
  aor: aorText({ user: client.username, realm }),
  allowDirectAppCalling: client.allowDirectAppCalling,
  allowDirectQueueCalling: client.allowDirectQueueCalling,
  allowDirectUserCalling: client.allowDirectUserCalling,
  applicationSid: null,
  expiresS: null,
  callLimit: client.callLimit,
  hooks: {},
});

/**
 * Asks a request to the realm of an account for a password: of the account's users, of its registration hook where it has one, or of a
 * carrier that authenticates.
 */
export async function authenticateUser(
  request: SipRequest,
  options: {
    account: Account;
    realm: string;
    source: RequestSource;
    /** Seconds that a REGISTER asks for; null for other requests. */
    asked: number | null;
    /** Carriers that have this username, where the request may be of a carrier. */
    trunksOf?: (username: string) => readonly VoipCarrier[];
  },
  { snapshot, digest, guard, allowsMd5 }: UserContext,
): Promise<Proven> {
  const { account, realm, source, asked } = options;
  const hook = snapshot.registrationHookOf(account);
  const algorithms = hook && allowsMd5 ? { algorithms: HOOK_ALGORITHMS } : {};
  let refused: UserRefusal | undefined;
  let isUnknown = false;
  const byHook =
    (asking: Webhook): Candidates<Who> =>
    async (credentials) => {
      const verdict = await askRegistrationHook({ hook: asking, account, request, source, credentials, asked, guard });
      if (verdict.ok) return { user: verdict.user };
      refused = verdict.refusal;
      return null;
    };
  const candidatesOf = (username: string): Candidates<Who> => {
    const trunks = (options.trunksOf?.(username) ?? []).map((trunk) => ({
      who: { trunk },
      password: trunk.inboundAuthPassword ?? '',
    }));
    if (trunks.length > 0) return trunks;
    if (hook) return byHook(hook);
    const client = snapshot.findClient(account.accountSid, username);
    isUnknown = client === undefined;
    return client ? [{ who: { user: userOf(account, realm, client) }, password: client.password }] : [];
  };
  const result = await digest.check<Who>(request, realm, candidatesOf, algorithms);
  switch (result.kind) {
    case 'proven': {
      const user = result.who.find((who) => 'user' in who)?.user;
      if (user) return { ok: true, user };
      const trunks = result.who.flatMap((who) => ('trunk' in who ? [who.trunk] : []));
      return { ok: true, trunks, username: result.username };
    }
    case 'wrong':
      return {
        ok: false,
        refusal: {
          ...(refused ?? {
            status: 403,
            reason: 'Invalid credentials',
            cause: `username ${result.username} or its password is wrong`,
            metric: isUnknown ? 'unknown-user' : 'bad-credentials',
          }),
          isHeard: result.isHeard,
        },
      };
    case 'absent':
    case 'stale': {
      const stale = result.kind === 'stale';
      return {
        ok: false,
        refusal: {
          status: 401,
          reason: stale ? 'nonce is no longer good' : 'authentication is needed',
          metric: stale ? 'stale-nonce' : 'challenged',
          headers: { ...digest.challenge(realm, { stale, source: request.source_address, ...algorithms }) },
        },
      };
    }
  }
}
