import type { CallLimits, CallPlace, Registrations } from '@ringwire/common';
import type { Ipv4Network } from '@ringwire/common/sip/networks.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { deviceDestination } from './device.js';
import { toE164 } from './e164.js';
import { callerIdentity } from './identity.js';
import { mayCall } from './may-they.js';
import { shield } from './shield.js';
import { tenantDestination } from './tenant.js';
import type { Caller, Decision, Destination, Invite, Rejection } from './types.js';
import { findDestination } from './what.js';
import { identifyCaller, type WhoContext } from './who.js';

/** An INVITE that becomes a call, or why it does not; `decisions` say how that was found out. */
export type Admission =
  | { ok: true; invite: Invite; destination: Destination; place: CallPlace; decisions: Decision[] }
  | NotAdmitted;

/** An INVITE that is refused. */
export interface NotAdmitted {
  ok: false;
  /** Null when it could not be read. */
  invite: Invite | null;
  rejection: Rejection;
  decisions: Decision[];
}

/** An INVITE of which it is known who sent it. */
export type Identified = { ok: true; invite: Invite; caller: Caller; decisions: Decision[] } | NotAdmitted;

/** What admission looks at. */
export interface AdmissionContext extends WhoContext {
  /** The sid that the call gets when it is admitted. */
  callSid: string;
  limits: Pick<CallLimits, 'take'>;
  /** Networks of our own proxies. */
  trusted: readonly Ipv4Network[];
  /** Who is registered. */
  registrations: Pick<Registrations, 'bindingsOf'>;
}

/**
 * Takes an INVITE through the steps shield and who. Enough for one that takes over a call that there is: where that leads, and its
 * place within the limits, are decided. Never rejects.
 */
export async function identify(request: SipRequest, context: AdmissionContext): Promise<Identified> {
  const decisions: Decision[] = [];
  const shielded = shield(request, context.trusted);
  if (!shielded.ok) return { ok: false, invite: null, rejection: shielded.rejection, decisions };
  const invite = shielded.value;
  const caller = await identifyCaller(invite, request, context);
  if (!caller.ok) return { ok: false, invite, rejection: caller.rejection, decisions };
  if (caller.decision) decisions.push(caller.decision);
  return { ok: true, invite, caller: caller.value, decisions };
}

/** Takes an INVITE through the steps shield, who, what, may they. Reads memory only, except for limits, nonces and
 * registrations of ours. Never rejects. */
export async function admit(request: SipRequest, context: AdmissionContext): Promise<Admission> {
  const identified = await identify(request, context);
  if (!identified.ok) return identified;
  const { invite, caller, decisions } = identified;
  // What a user says of who he is counts for nothing: he has proven it.
  const identity = 'user' in caller ? null : callerIdentity(request);
  if (identity) decisions.push(identity);
  const destination =
    'user' in caller
      ? await deviceDestination(invite, caller.user, context)
      : 'tenant' in caller
        ? tenantDestination(invite, caller.tenant, context.snapshot)
        : findDestination(invite, caller, context.snapshot);
  if (!destination.ok) return { ok: false, invite, rejection: destination.rejection, decisions };
  if (destination.decision) decisions.push(destination.decision);
  const allowed = await mayCall(invite, context.callSid, destination.value, context.limits);
  if (!allowed.ok) return { ok: false, invite, rejection: allowed.rejection, decisions };
  return { ok: true, invite: inE164(invite, destination.value), ...allowed.value, decisions };
}

/** The INVITE with its numbers as the platform writes them, where the carrier's rules say how to read them. */
function inE164(invite: Invite, { carrier, called }: Destination): Invite {
  const { target, from } = invite;
  if (!carrier?.inboundRules?.countryCode) return invite;
  return {
    ...invite,
    number: called,
    target: { ...target, user: target.user === null ? null : called },
    from: { ...from, user: from.user === null ? null : toE164(from.user, carrier.inboundRules) },
  };
}
