import { DEFAULT_INBOUND_RULES, type VoipCarrier } from '@ringwire/common';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { splitUri } from '@ringwire/common/sip/uri.js';

/** What an INVITE says of the trunk that it comes over. */
interface TrunkGroup {
  group: string;
  /** Null when it is missing, which RFC 4904 §4 forbids and some gateways do. */
  context: string | null;
}

/** RFC 4904 §4: `tgrp` and `trunk-context` are parameters of the user part; gateways are seen that put them behind the host. */
function trunkGroupOf(uri: string | undefined): TrunkGroup | null {
  const group = /;tgrp=([^;>@?\s]+)/i.exec(uri ?? '')?.[1];
  if (group === undefined) return null;
  return {
    group: group.toLowerCase(),
    context: /;trunk-context=([^;>@?\s]+)/i.exec(uri ?? '')?.[1]?.toLowerCase() ?? null,
  };
}

/** How well an INVITE fits a carrier: 0 when nothing speaks against it, 1 when it carries its mark, null when it lacks it. */
function fit(carrier: VoipCarrier, request: SipRequest, groups: readonly TrunkGroup[]): 0 | 1 | null {
  const { header, headerValue, trunkGroup, trunkContext } = carrier.inboundRules ?? DEFAULT_INBOUND_RULES;
  let isMarked = false;
  if (header !== null) {
    const value = request.get(header)?.trim();
    if (value === undefined || (headerValue !== null && value !== headerValue)) return null;
    isMarked = true;
  }
  if (trunkGroup !== null) {
    const wanted = trunkContext?.toLowerCase();
    const found = groups.some(
      ({ group, context }) => group === trunkGroup.toLowerCase() && (wanted === undefined || context === wanted),
    );
    if (!found) return null;
    isMarked = true;
  }
  return isMarked ? 1 : 0;
}

/** The account, else the service provider that shares the carrier. */
const ownerOf = ({ accountSid, serviceProviderSid }: VoipCarrier): string | null => accountSid ?? serviceProviderSid;

/**
 * Tells carriers with one address apart: by a header or trunk group (in Contact: where the call comes from; in the Request-URI: where it
 * goes) that a carrier is said to send, or by the username that we registered with. Who has a mark is only called by INVITEs that
 * carry it, and then no other carrier of the same owner is; the order stays. Anybody can claim a mark for his carrier, so none takes calls
 * from another owner's. A username that the registrar itself has let in is no claim: it counts among all who are registered there.
 *
 * @param isRegistered - whether the carriers are at this address because we are registered there
 */
export function tellApart(carriers: readonly VoipCarrier[], request: SipRequest, isRegistered: boolean): VoipCarrier[] {
  const groups = [request.get('Contact'), request.uri].flatMap((uri) => trunkGroupOf(uri) ?? []);
  const fitting = carriers.flatMap((carrier) => {
    const degree = fit(carrier, request, groups);
    return degree === null ? [] : [{ carrier, degree }];
  });
  const user = isRegistered ? splitUri(request.uri)?.user : null;
  const named = user ? fitting.filter(({ carrier }) => carrier.registerUsername === user) : [];
  const left = named.length > 0 ? named : fitting;
  const marked = new Set(left.flatMap(({ carrier, degree }) => (degree === 1 ? [ownerOf(carrier)] : [])));
  return left
    .filter(({ carrier, degree }) => degree === 1 || !marked.has(ownerOf(carrier)))
    .map(({ carrier }) => carrier);
}
