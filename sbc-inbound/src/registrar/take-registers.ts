import { type Binding, nowMs, type Registrations, RegistrationsAwayError } from '@ringwire/common';
import type { Shield } from '@ringwire/common/shield/shield.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { inNetworks } from '@ringwire/common/sip/networks.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipHeaders, SipRequest } from '@ringwire/common/sip/stack.js';
import { isIpv4, splitUri } from '@ringwire/common/sip/uri.js';
import { hearsUs, isScanner, sourceOf } from '../admission/shield.js';
import { authenticateUser, type UserContext } from '../users/authenticate-user.js';
import type { QuietAlerts } from '../users/quiet-alerts.js';
import type { User, UserRefusal } from '../users/types.js';
import type { RegistrarConfig } from './config.js';
import { type Lifetime, lifetimeOf } from './lifetimes.js';
import { instanceParams, type ReadRegister, readRegister } from './read-register.js';
import { type RegisterRates, registerRates } from './register-rates.js';

/** What the registrar needs besides the edge. */
export interface RegistrarOptions {
  edge: Edge;
  registrations: Registrations;
  shield: Shield;
  users: Omit<UserContext, 'snapshot'>;
  alerts: QuietAlerts;
  config: RegistrarConfig;
}

/** An answer to a REGISTER. */
interface Answer {
  status: number;
  phrase?: string;
  headers: SipHeaders;
  /** Short constant by which it is counted. */
  outcome: string;
  /** Whether the sender has proven that it hears us. */
  isHeard?: boolean;
}

const RETRY_AFTER_S = 5;
/** Until a user who registered too often may again. */
const RATE_RETRY_S = 30;
/** How often a device that speaks outbound shows that its connection lives (RFC 5626 §4.4): less than NATs commonly wait. */
const FLOW_TIMER_S = 120;

const refuse = ({ status, reason, metric, headers = {}, isHeard = false }: UserRefusal): Answer => ({
  status,
  headers: { ...reasonHeader(reason), ...headers },
  outcome: metric,
  isHeard,
});

/** Takes REGISTERs until the process ends (RFC 3261 §10.3). */
export function takeRegisters(options: RegistrarOptions): void {
  const { edge, shield } = options;
  const rates = registerRates(options.config.REGISTER_PER_MINUTE);
  const registers = edge.metrics.counter({
    name: 'ringwire_registers_total',
    help: 'REGISTERs that were answered, by what came of them',
    labelNames: ['outcome'],
  });
  edge.stack.register((request, response) => {
    const source = sourceOf(request, edge.trustedProxies);
    const isHeard = hearsUs(request, edge.trustedProxies);
    if (!shield.admits(source, isHeard)) {
      respond(response, 403);
      return;
    }
    answerTo(options, rates, request, source)
      .catch((err: unknown): Answer => {
        if (err instanceof RegistrationsAwayError) {
          edge.logger.warn({ err }, 'REGISTER was refused: redis does not answer');
          return refuse({
            status: 503,
            reason: 'registrations are not available now',
            metric: 'redis-away',
            headers: { 'Retry-After': `${RETRY_AFTER_S}` },
          });
        }
        edge.logger.error({ err, sipCallId: request.get('Call-ID') }, 'REGISTER was not handled');
        return { status: 500, headers: {}, outcome: 'error' };
      })
      .then(({ status, phrase, headers, outcome, isHeard: hasAnswered = false }) => {
        if (status < 300) shield.succeeded(source);
        else shield.offended(source, outcome, isHeard || hasAnswered);
        registers.inc({ outcome });
        respond(response, status, phrase, { headers });
      })
      .catch((err: unknown) => edge.logger.error({ err }, 'REGISTER was not answered'));
  });
}

async function answerTo(
  options: RegistrarOptions,
  rates: RegisterRates,
  request: SipRequest,
  source: string,
): Promise<Answer> {
  const { edge, users, config } = options;
  if (isScanner(request)) return refuse({ status: 403, reason: 'Forbidden', metric: 'scanner' });
  if (!edge.accepting) {
    return refuse({
      status: 503,
      reason: 'draining',
      metric: 'draining',
      headers: { 'Retry-After': `${RETRY_AFTER_S}` },
    });
  }
  const snapshot = edge.provisioning.snapshot();
  const host = splitUri(request.uri)?.host ?? '';
  const account = isIpv4(host) ? undefined : snapshot.findAccountByRealm(host);
  if (!account) return refuse({ status: 403, reason: 'Unknown or invalid realm', metric: 'unknown-source' });
  if (!account.isActive) return refuse({ status: 403, reason: 'Account is not active', metric: 'inactive-account' });
  if (!snapshot.hasUsers(account)) return refuse({ status: 403, reason: 'the realm has no users', metric: 'device' });
  const read = readRegister(request);
  if (!read.ok) return refuse({ status: 400, reason: read.reason, metric: 'malformed' });
  const { register } = read;
  // A request that answers no challenge of ours costs nobody else anything: it gets one. Who answers that of another address may have forged its own: it is not counted as who
  // is there.
  const answered = users.digest.nonceOf(request, host);
  const counted = answered === 'other' ? `${source}:${register.flow.port}` : source;
  if (answered && !rates.admits(counted, `${register.user}@${register.realm}`)) {
    return refuse({
      status: 503,
      reason: 'too many REGISTERs of this user',
      metric: 'register-rate',
      headers: { 'Retry-After': `${RATE_RETRY_S}` },
    });
  }
  const proven = await authenticateUser(
    request,
    {
      account,
      realm: host,
      source: { address: source, port: register.flow.port },
      asked: askedSeconds(register, config),
    },
    { ...users, snapshot },
  );
  if (!proven.ok) {
    const { alert } = proven.refusal;
    if (alert) options.alerts(account, alert);
    return refuse(proven.refusal);
  }
  if (!('user' in proven) || proven.user.username !== register.user) {
    return refuse({ status: 403, reason: 'not your address of record', metric: 'bad-credentials' });
  }
  if (!isPathKnown(register, edge)) {
    return refuse({ status: 403, reason: 'Path names a proxy that the request does not come from', metric: 'path' });
  }
  return bind(options, request, register, proven.user);
}

/** What a REGISTER asks for, as a registration hook is told. */
function askedSeconds({ contacts, expiresS }: ReadRegister, config: RegistrarConfig): number {
  const [first] = contacts === 'all' ? [] : contacts;
  return contacts === 'all' ? 0 : (first?.expiresS ?? expiresS ?? config.REGISTER_MAX_EXPIRES);
}

/** Calls go where a Path says: only proxies of ours may name others than themselves, anybody else could have us call our own servers. */
function isPathKnown({ path, flow }: ReadRegister, edge: Edge): boolean {
  const [first] = path;
  if (first === undefined || inNetworks(edge.trustedProxies, flow.address)) return true;
  return splitUri(/<([^>]*)>/.exec(first)?.[1] ?? '')?.host === flow.address.toLowerCase();
}

async function bind(
  { edge, registrations, alerts, config }: RegistrarOptions,
  request: SipRequest,
  register: ReadRegister,
  user: User,
): Promise<Answer> {
  const { contacts, flow } = register;
  const granted = new Map<string, Lifetime>();
  for (const contact of contacts === 'all' ? [] : contacts) {
    const lifetime = lifetimeOf(register, contact, user.expiresS, config);
    if (!lifetime) {
      return {
        status: 423,
        phrase: 'Interval Too Brief',
        headers: { 'Min-Expires': `${config.REGISTER_MIN_EXPIRES}` },
        outcome: 'too-brief',
      };
    }
    granted.set(contact.id, lifetime);
  }
  const snapshot = edge.provisioning.snapshot();
  const maxUsers = snapshot.deviceLimit(user.account);
  const binding = (uri: string, q: number): Binding => ({
    ...{ contact: uri, q, path: register.path, ...flow },
    edge: edge.sipAddress,
    userAgent: (request.get('User-Agent') ?? '').replace(/[^\x20-\x7e]+/g, ' ').slice(0, 128),
    registeredAt: Math.round(nowMs()),
    allowDirectAppCalling: user.allowDirectAppCalling,
    allowDirectQueueCalling: user.allowDirectQueueCalling,
    allowDirectUserCalling: user.allowDirectUserCalling,
    ...user.hooks,
  });
  const result = await registrations.register({
    aor: { user: register.user, realm: register.realm },
    callId: register.callId,
    cseq: register.cseq,
    changes:
      contacts === 'all'
        ? 'all'
        : contacts.map(({ id, uri, q }) => ({ id, lifeMs: granted.get(id)?.lifeMs ?? 0, binding: binding(uri, q) })),
    maxUsers,
  });
  if (!result.ok && result.why === 'order') {
    return { status: 500, headers: reasonHeader('CSeq is not above that of the request before'), outcome: 'order' };
  }
  if (!result.ok) {
    alerts(user.account, {
      alertType: 'account-device-limit',
      message: `account has reached its limit of ${maxUsers} registered users`,
    });
    const reason = 'Max Devices Registered';
    return { status: 503, phrase: reason, headers: reasonHeader(reason), outcome: 'device-limit' };
  }
  const now = Date.now();
  const list = result.bindings.map(({ id, binding: { contact, q }, expiresAt }) => {
    const seconds = granted.get(id)?.grantedS ?? Math.max(1, Math.ceil((expiresAt - now) / 1000));
    return `<${contact}>${instanceParams(id)};expires=${seconds}${q === 1 ? '' : `;q=${q}`}`;
  });
  edge.logger.debug({ aor: user.aor, bindings: list.length }, 'registered');
  return {
    status: 200,
    headers: {
      ...(list.length > 0 ? { Contact: list.join(', ') } : {}),
      ...(register.path.length > 0 && register.supportsPath ? { Path: register.path.join(', ') } : {}),
      ...(register.isOutbound ? { Require: 'outbound', 'Flow-Timer': `${FLOW_TIMER_S}` } : {}),
    },
    outcome:
      contacts === 'all' || [...granted.values()].every(({ grantedS }) => grantedS === 0) ? 'removed' : 'registered',
  };
}
