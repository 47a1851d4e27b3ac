import {
  type ApplicationNotice,
  parseAor,
  type Registrations,
  RegistrationsAwayError,
  sidFrom,
  takeInbound,
  type WorkQueue,
} from '@ringwire/common';
import type { Shield } from '@ringwire/common/shield/shield.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { passableHeaders, reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { messageDevices } from '@ringwire/common/sip/message-devices.js';
import { relayToDevice } from '@ringwire/common/sip/relay-to-device.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipHeaders, SipRequest } from '@ringwire/common/sip/stack.js';
import { calledNumber, isIpv4, nameAddr, partyOf, splitUri } from '@ringwire/common/sip/uri.js';
import { deviceDestination } from '../admission/device.js';
import { hearsUs, isScanner, sourceOf } from '../admission/shield.js';
import { withoutIdentity } from '../feature-server-leg.js';
import { authenticateUser, type UserContext } from '../users/authenticate-user.js';
import type { QuietAlerts } from '../users/quiet-alerts.js';
import type { User } from '../users/types.js';

/** What messages of users need besides the edge. */
export interface UserMessagesOptions {
  edge: Edge;
  registrations: Registrations;
  shield: Shield;
  users: Omit<UserContext, 'snapshot'>;
  alerts: QuietAlerts;
  /** Messages for applications. */
  queue: WorkQueue<ApplicationNotice>;
}

/** An answer to a MESSAGE. */
interface Answer {
  status: number;
  headers?: SipHeaders;
  /** Short constant by which it is counted. */
  outcome: string;
  /** Whether the sender has answered a challenge of ours. */
  isHeard?: boolean;
  /** Whether the sender is a user of ours. */
  isProven?: boolean;
}

/** Longer ones are no text that a telephone shows. */
const MAX_BODY_BYTES = 16_384;
const RETRY_AFTER = { 'Retry-After': '5' };

const refuse = (status: number, reason: string, outcome: string, headers: SipHeaders = {}): Answer => ({
  status,
  headers: { ...reasonHeader(reason), ...headers },
  outcome,
});

/**
 * Takes MESSAGEs outside of dialogs (RFC 3428) until the process ends: of users who prove who they are, to the devices of other users, or
 * to an application as a text message.
 */
export function takeMessages(options: UserMessagesOptions): void {
  const { edge, shield } = options;
  const messages = edge.metrics.counter({
    name: 'ringwire_sip_messages_total',
    help: 'MESSAGEs of users, by what came of them',
    labelNames: ['outcome'],
  });
  edge.stack.message((request, response) => {
    if (relayToDevice(options, request, response)) return;
    const source = sourceOf(request, edge.trustedProxies);
    const isHeard = hearsUs(request, edge.trustedProxies);
    if (!shield.admits(source, isHeard)) {
      respond(response, 403);
      return;
    }
    answerTo(options, request, source)
      .catch((err: unknown): Answer => {
        if (err instanceof RegistrationsAwayError) {
          return refuse(503, 'registrations are not available now', 'redis-away', RETRY_AFTER);
        }
        edge.logger.error({ err, sipCallId: request.get('Call-ID') }, 'MESSAGE was not handled');
        return { status: 500, outcome: 'error' };
      })
      .then(({ status, headers = {}, outcome, isHeard: hasAnswered = false, isProven = false }) => {
        // Who has proven who he is may write to whoever is not there.
        if (status < 300 || isProven) shield.succeeded(source);
        else shield.offended(source, outcome, isHeard || hasAnswered);
        messages.inc({ outcome });
        respond(response, status, undefined, { headers });
      })
      .catch((err: unknown) => edge.logger.error({ err }, 'MESSAGE was not answered'));
  });
}

async function answerTo(options: UserMessagesOptions, request: SipRequest, source: string): Promise<Answer> {
  const { edge, users } = options;
  if (isScanner(request)) return refuse(403, 'Forbidden', 'scanner');
  if (!edge.accepting) return refuse(503, 'draining', 'draining', RETRY_AFTER);
  const snapshot = edge.provisioning.snapshot();
  const target = splitUri(request.uri);
  const realm = target?.host ?? '';
  const account = isIpv4(realm) ? undefined : snapshot.findAccountByRealm(realm);
  if (!target || !account?.isActive || !snapshot.hasUsers(account)) {
    return refuse(403, 'Unknown or invalid realm', 'unknown-source');
  }
  if (Buffer.byteLength(request.body ?? '') > MAX_BODY_BYTES) return refuse(413, 'message is too long', 'too-long');
  const proven = await authenticateUser(
    request,
    { account, realm, source: { address: source, port: Number(request.source_port) }, asked: null },
    { ...users, snapshot },
  );
  if (!proven.ok) {
    const { status, reason, metric, headers, alert } = proven.refusal;
    if (alert) options.alerts(account, alert);
    return { ...refuse(status, reason, metric, headers), isHeard: proven.refusal.isHeard === true };
  }
  if (!('user' in proven)) return refuse(403, 'not a user', 'not-a-user');
  return { ...(await deliver(options, request, target, proven.user)), isProven: true };
}

/** To whom a user writes. */
async function deliver(
  options: UserMessagesOptions,
  request: SipRequest,
  target: NonNullable<ReturnType<typeof splitUri>>,
  user: User,
): Promise<Answer> {
  const { edge, registrations } = options;
  const snapshot = edge.provisioning.snapshot();
  const destination = await deviceDestination({ target, number: calledNumber(target.user) }, user, {
    snapshot,
    registrations,
  });
  if (!destination.ok) {
    const { status, reason, metric, headers } = destination.rejection;
    return refuse(status, reason, metric, headers);
  }
  const { calledUser, application } = destination.value;
  if (calledUser !== null) return await toDevices(options, request, user, calledUser);
  if (!application) return refuse(404, 'there is no application for messages', 'unknown-application');
  return await toApplication(options, request, user, application.applicationSid);
}

/** To all devices of a user: the first that takes it is enough. */
async function toDevices(
  options: UserMessagesOptions,
  request: SipRequest,
  user: User,
  calledUser: string,
): Promise<Answer> {
  const aor = parseAor(calledUser);
  const type = request.get('Content-Type');
  const headers: SipHeaders = {
    ...withoutIdentity(passableHeaders(request)),
    From: nameAddr(partyOf(request, 'from')?.displayName ?? null, `sip:${user.aor}`),
    ...(type ? { 'Content-Type': type } : {}),
  };
  const outcome = aor ? await messageDevices(options, aor, { headers, body: request.body ?? '' }) : null;
  switch (outcome?.kind) {
    case 'taken':
      return { status: 200, outcome: 'delivered' };
    case 'refused':
      return refuse(outcome.status, 'no device took the message', 'not-taken');
    case 'unanswered':
      return refuse(480, 'no device answered', 'not-taken');
    default:
      return refuse(480, `user ${calledUser} is not registered`, 'not-registered');
  }
}

/** To an application, as text messages of carriers come to it; 202, as it is not there yet. */
async function toApplication(
  { edge, queue }: UserMessagesOptions,
  request: SipRequest,
  { account, username }: User,
  applicationSid: string,
): Promise<Answer> {
  const type = (request.get('Content-Type') ?? 'text/plain').split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'text/plain') {
    return refuse(415, 'applications are sent text/plain', 'no-text', { Accept: 'text/plain' });
  }
  // The queue would wait for it.
  if (edge.redis.status !== 'ready') return refuse(503, 'messages are not taken now', 'redis-away', RETRY_AFTER);
  const taken = await takeInbound(queue, {
    // A request that comes again is the same message.
    messageSid: sidFrom(account.accountSid, request.get('Call-ID') ?? '', request.get('CSeq') ?? ''),
    voipCarrierSid: null,
    owner: { accountSid: account.accountSid, applicationSid },
    from: username,
    to: splitUri(request.uri)?.user ?? '',
    text: request.body ?? '',
    media: [],
  }).catch(() => 'away' as const);
  return taken === 'queued' || taken === 'known'
    ? { status: 202, outcome: 'queued' }
    : refuse(503, 'messages are not taken now', 'queue', RETRY_AFTER);
}
