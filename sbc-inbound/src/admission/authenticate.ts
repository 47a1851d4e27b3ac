import type { VoipCarrier } from '@ringwire/common';
import type { DigestServer } from '@ringwire/common/sip/digest/digest-server.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import type { Rejection, refuse } from './types.js';

/** Who a request has proven to be, or the answer to it. */
export type Authenticated =
  | { ok: true; carriers: VoipCarrier[]; username: string }
  | { ok: false; rejection: Rejection };

const answer = (rejection: Parameters<typeof refuse>[0]): Authenticated => ({
  ok: false,
  rejection: { recorded: false, ...rejection },
});

/** Asks a request of a known address for the username and password of a carrier's trunk; users are asked by `users/authenticate-user`. */
export async function authenticateTrunk(
  request: SipRequest,
  realm: string,
  digest: Pick<DigestServer, 'check' | 'challenge'>,
  trunksOf: (username: string) => readonly VoipCarrier[],
): Promise<Authenticated> {
  const result = await digest.check(request, realm, (username) =>
    trunksOf(username).map((who) => ({ who, password: who.inboundAuthPassword ?? '' })),
  );
  switch (result.kind) {
    case 'proven':
      return { ok: true, carriers: result.who, username: result.username };
    case 'wrong':
      return answer({
        status: 403,
        reason: 'Invalid credentials',
        cause: `username ${result.username} or its password is wrong`,
        metric: trunksOf(result.username).length === 0 ? 'unknown-user' : 'bad-credentials',
        isHeard: result.isHeard,
      });
    case 'absent':
    case 'stale': {
      const stale = result.kind === 'stale';
      return answer({
        status: 401,
        reason: stale ? 'nonce is no longer good' : 'authentication is needed',
        metric: stale ? 'stale-nonce' : 'challenged',
        headers: { ...digest.challenge(realm, { stale, source: request.source_address }) },
      });
    }
  }
}
