import { aorText, type OutboundMessage, parseAor, RegistrationsAwayError } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { type DeviceMessaging, messageDevices } from '@ringwire/common/sip/message-devices.js';

/**
 * What became of a message to a user. `absent`: nobody has it, it may be sent again; `unanswered`: a device may have it; `refused`: nobody will
 * take it.
 */
export type UserResult = { kind: 'taken' } | { kind: 'absent' | 'unanswered' | 'refused'; detail: string };

/** Sends messages to users of the account that they are of. Never rejects. */
export function userMessages(
  edge: Pick<Edge, 'sipAddress' | 'edges' | 'bridging' | 'provisioning'>,
  registrations: DeviceMessaging['registrations'],
): (message: OutboundMessage) => Promise<UserResult> {
  return async ({ accountSid, from, to, text, media }) => {
    const aor = parseAor(to);
    const snapshot = edge.provisioning.snapshot();
    const account = aor ? snapshot.findAccountByRealm(aor.realm) : undefined;
    // The users of other accounts are none of this one's business.
    const isOurs = aor !== null && account?.accountSid === accountSid;
    const hasHook = account !== undefined && snapshot.registrationHookOf(account) !== null;
    if (!isOurs || (!hasHook && !snapshot.findClient(accountSid, aor.user))) {
      return { kind: 'refused', detail: `the account has no user ${to}` };
    }
    // A telephone shows text; what there is to see is named by its address.
    const body = [text, ...media].filter((line) => line !== '').join('\n');
    const headers = { From: `<sip:${aorText({ user: from, realm: aor.realm })}>`, 'Content-Type': 'text/plain' };
    try {
      const outcome = await messageDevices({ edge, registrations }, aor, { headers, body });
      switch (outcome.kind) {
        case 'taken':
          return { kind: 'taken' };
        case 'absent':
          return { kind: 'absent', detail: `user ${to} is not registered` };
        case 'unanswered':
          return { kind: 'unanswered', detail: `no device of ${to} answered` };
        case 'refused':
          return { kind: 'refused', detail: `the devices of ${to} refused it with ${outcome.status}` };
      }
    } catch (error) {
      if (error instanceof RegistrationsAwayError) return { kind: 'absent', detail: error.message };
      throw error;
    }
  };
}
