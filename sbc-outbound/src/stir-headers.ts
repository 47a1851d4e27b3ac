import { type ProvisioningSnapshot, SIP_HEADERS } from '@ringwire/common';
import type { SipHeaders, SipRequest } from '@ringwire/common/sip/stack.js';
import { callParties } from '@ringwire/common/stir/call-parties.js';
import { canonicalNumber } from '@ringwire/common/stir/canonical-number.js';
import type { Attestation } from '@ringwire/common/stir/passport.js';
import { type StirCredential, signCall } from '@ringwire/common/stir/signer.js';
import type { OutboundCall } from './guard.js';

/** What signing a call looks at. */
export interface CallFacts {
  call: Pick<OutboundCall, 'account' | 'target'>;
  request: Pick<SipRequest, 'get'>;
  snapshot: Pick<ProvisioningSnapshot, 'findStirCredential' | 'findNumbers' | 'isOwnNumber'>;
}

/** The headers of a signed INVITE, and a line for the timeline. */
export interface SignedHeaders {
  headers: SipHeaders;
  note: string;
}

/**
 * How sure we are of the caller (RFC 8588 §4): A of the account's own numbers, C of numbers that came in over a carrier and go out again, B of
 * other numbers that a known account shows. An account's own certificate answers for what the account says are its numbers; that of the
 * service provider for those only that the provider has given.
 */
function attestationOf(
  number: string,
  credential: StirCredential,
  { call, request, snapshot }: CallFacts,
): Attestation {
  const { accountSid } = call.account;
  const isOwn =
    credential.accountSid === accountSid
      ? snapshot.findNumbers(number).some((row) => row.accountSid === accountSid)
      : snapshot.isOwnNumber(number, accountSid, null);
  if (isOwn) return 'A';
  return request.get(SIP_HEADERS.voipCarrierSid) ? 'C' : 'B';
}

/**
 * Signs an INVITE to a carrier with the account's credential, else its service provider's; whoever else signed it before is no longer
 * heard of. The caller is who the carrier is told of: P-Asserted-Identity, else From.
 *
 * @param headers - what the carrier gets so far
 * @returns null when there is no credential: the headers go as they are
 */
export function signedHeaders(headers: SipHeaders, facts: CallFacts, nowMs: number = Date.now()): SignedHeaders | null {
  const { call, snapshot } = facts;
  const credential = snapshot.findStirCredential(call.account.accountSid, call.account.serviceProviderSid);
  if (!credential) return null;
  const unsigned = Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(identity|y|date)$/i.test(name)));
  const { caller } = callParties({
    identity: undefined,
    date: undefined,
    from: headers.From,
    assertedIdentity: headers['P-Asserted-Identity'],
    to: undefined,
    uri: '',
  });
  const orig = caller?.tn;
  const dest = canonicalNumber(call.target.user);
  if (orig === undefined || dest === null) {
    const who = orig === undefined ? 'the carrier is told of no calling number' : 'the called one is no number';
    return { headers: unsigned, note: `the call is not signed: ${who}` };
  }
  const attest = attestationOf(orig, credential, facts);
  return {
    headers: { ...unsigned, ...signCall({ orig, dest, attest }, credential, nowMs) },
    note: `signed for ${orig} to ${dest} with attestation ${attest}`,
  };
}
