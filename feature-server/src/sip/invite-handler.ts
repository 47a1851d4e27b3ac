import { randomBytes, randomUUID } from 'node:crypto';
import {
  type Account,
  type Application,
  type Logger,
  type ProvisioningSnapshot,
  parseStirHeader,
  SIP_HEADERS,
  servesAccount,
} from '@ringwire/common';
import { parseReplaces, parseTags } from '@ringwire/common/sip/replaces.js';
import type { SipRequest, SipResponse, SipStack } from '@ringwire/common/sip/stack.js';
import { CallGoneError } from '../errors.js';
import { within } from '../media/deadline.js';
import type { CallFacts } from '../session/call-info.js';
import type { MovedCall } from '../session/moved-calls.js';
import type { NamedTalk } from '../session/talks.js';

import { type CallParties, partiesOf } from './call-parties.js';
import { directCallTo, withUserHooks } from './direct-call.js';
import { KEEPALIVE_MS } from './edge-dialler.js';
import { headerValue } from './header-value.js';
import { InboundLeg } from './inbound-leg.js';

/** A call that was admitted: everything a session is made of that comes from SIP and provisioning. */
export interface AdmittedCall {
  leg: InboundLeg;
  facts: CallFacts;
  account: Account;
  application: Application;
  /** The parsed INVITE, as jambonz passes it to the application. */
  sip: Record<string, unknown>;
  /** Whether the account has a user of this name. */
  isUser(name: string): boolean;
}

/** What the handler asks of the process. */
export interface InviteHandlerOptions {
  stack: SipStack;
  logger: Logger;
  snapshot(): ProvisioningSnapshot;
  /** Why no call is taken now; undefined when calls are taken. */
  refusal(): string | undefined;
  isKnown(callSid: string): boolean;
  /** `ip:port` of our SIP server. */
  sipAddress(): string;
  apiBaseUrl?: string;
  onAdmitted(call: AdmittedCall): void;
  /** The call of that id which another feature server gives away; once only. */
  takeMoved(id: string): Promise<MovedCall | undefined>;
  onMoved(call: Omit<AdmittedCall, 'sip'> & { moved: { call: MovedCall; committed: Promise<void> } }): void;
  /** Another feature server sends somebody who is to take the place of a user's telephone. */
  onGuest(leg: InboundLeg, talk: NamedTalk, callSid: string): void;
  /** A call was refused before it had a session. */
  onRefused(refused: RefusedCall): void;
}

/** A refused INVITE, with as much as is known of its call. */
export interface RefusedCall {
  status: number;
  reason: string;
  callSid: string;
  sipCallId?: string;
  accountSid?: string;
}

interface Refusal {
  ok: false;
  status: number;
  reason: string;
}
interface Found {
  ok: true;
  account: Account;
  application: Application;
  parties: CallParties;
}

/** From the INVITE of a call that moves to the edge's word that it is ours: the far end may have to be asked. */
const COMMIT_MS = 15_000;

const refuse = (status: number, reason: string): Refusal => ({ ok: false, status, reason });

/** Admits or refuses INVITEs from the edge. */
export class InviteHandler {
  readonly #legs = new Set<InboundLeg>();

  constructor(private readonly options: InviteHandlerOptions) {}

  /** For `srf.invite`. Never throws: whatever comes in gets a final response or a session. */
  handle(request: SipRequest, response: SipResponse): void {
    try {
      this.#admit(request, response);
    } catch (err) {
      this.options.logger.error({ err }, 'INVITE could not be handled');
      if (!response.finalResponseSent) response.send(500, undefined, { headers: { 'X-Reason': 'internal error' } });
    }
  }

  /** The leg's call is over. */
  forget(leg: InboundLeg): void {
    this.#legs.delete(leg);
  }

  /** The SIP server is gone, and every leg on it. */
  loseAll(reason: string): void {
    for (const leg of this.#legs) leg.lose(reason);
    this.#legs.clear();
  }

  #admit(request: SipRequest, response: SipResponse): void {
    const callSid = headerOf(request, SIP_HEADERS.callSid) ?? randomUUID();
    const context = /^sips?:context-([\w-]+)@/i.exec(request.uri)?.[1];
    if (context !== undefined) {
      void this.#takeMoved(request, response, { callSid, context });
      return;
    }
    if (request.has('Replaces')) {
      this.#guest(request, response, callSid);
      return;
    }
    const found = this.#lookUp(request, callSid);
    if (found.ok) this.#accept(request, response, callSid, found);
    else this.#refuse(request, response, callSid, found);
  }

  /** A call that another feature server has begun (docs/interfaces.md). Never rejects. */
  async #takeMoved(
    request: SipRequest,
    response: SipResponse,
    { callSid, context }: { callSid: string; context: string },
  ): Promise<void> {
    const { options } = this;
    const refused = (status: number, reason: string): void =>
      this.#refuse(request, response, callSid, { ok: false, status, reason });
    const refusal = options.refusal();
    if (refusal !== undefined) return refused(503, refusal);
    if (options.isKnown(callSid)) return refused(482, 'call is here already');
    let call: MovedCall | undefined;
    try {
      call = await options.takeMoved(context);
    } catch (err) {
      options.logger.warn({ err, callSid }, 'a call that was moved here cannot be read');
    }
    const account = options.snapshot().accountsBySid.get(call?.accountSid ?? '');
    if (!call || !account || call.facts.callSid !== callSid) return refused(481, 'no such call is on its way');
    const { applicationSid } = call.facts;
    const headers = {
      [SIP_HEADERS.callSid]: callSid,
      ...(applicationSid === '' ? {} : { [SIP_HEADERS.applicationSid]: applicationSid }),
    };
    const leg = new InboundLeg({
      stack: options.stack,
      request,
      response,
      headers,
      logger: options.logger.child({ callSid }),
    });
    this.#legs.add(leg);
    options.onMoved({
      leg,
      account,
      application: call.application,
      isUser: (name) => options.snapshot().findClient(account.accountSid, name) !== undefined,
      facts: { ...call.facts, callId: headerOf(request, 'Call-ID') ?? '', fsSipAddress: options.sipAddress() },
      moved: { call, committed: committed(leg) },
    });
  }

  /** Changes a call that there is: that goes on while we drain. */
  #guest(request: SipRequest, response: SipResponse, callSid: string): void {
    const replaces = parseReplaces(headerOf(request, 'Replaces'));
    const accountSid = headerOf(request, SIP_HEADERS.accountSid);
    const user = headerOf(request, SIP_HEADERS.authenticatedUser);
    if (!replaces || accountSid === undefined || user === undefined) {
      response.send(400, undefined, { headers: { 'X-Reason': 'Replaces without a dialog, account or user' } });
      return;
    }
    const { stack } = this.options;
    const logger = this.options.logger.child({ callSid });
    const headers = { [SIP_HEADERS.callSid]: callSid };
    const leg = new InboundLeg({ stack, request, response, headers, logger, keepAliveMs: KEEPALIVE_MS });
    this.#legs.add(leg);
    this.options.onGuest(leg, { accountSid, user, replaces }, callSid);
  }

  #accept(request: SipRequest, response: SipResponse, callSid: string, found: Found): void {
    const { account, application, parties } = found;
    const leg = new InboundLeg({
      stack: this.options.stack,
      request,
      response,
      headers: {
        [SIP_HEADERS.callSid]: callSid,
        ...(application.applicationSid === '' ? {} : { [SIP_HEADERS.applicationSid]: application.applicationSid }),
      },
      logger: this.options.logger.child({ callSid }),
    });
    this.#legs.add(leg);
    const header = (name: string) => headerOf(request, name);
    const sbcCallid = header(SIP_HEADERS.outerCallId);
    const outerTags = parseTags(header(SIP_HEADERS.outerTags));
    const originatingSipIp = header(SIP_HEADERS.forwardedFor);
    const originatingSipTrunkName = header(SIP_HEADERS.originatingCarrier);
    const stir = parseStirHeader(header(SIP_HEADERS.stir) ?? '');
    const voipCarrierSid = header(SIP_HEADERS.voipCarrierSid);
    const authenticatedUser = header(SIP_HEADERS.authenticatedUser);
    const identity = Object.fromEntries(
      ['P-Asserted-Identity', 'Privacy'].flatMap((name) => {
        const value = header(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    const { apiBaseUrl } = this.options;
    this.options.onAdmitted({
      leg,
      account,
      application,
      sip: parsedInvite(request),
      isUser: (name) => this.options.snapshot().findClient(account.accountSid, name) !== undefined,
      facts: {
        ...parties,
        callSid,
        direction: 'inbound',
        callId: header('Call-ID') ?? '',
        accountSid: account.accountSid,
        serviceProviderSid: account.serviceProviderSid,
        applicationSid: application.applicationSid,
        traceId: randomBytes(16).toString('hex'),
        fsSipAddress: this.options.sipAddress(),
        ...(sbcCallid !== undefined && { sbcCallid }),
        ...(outerTags && { outerTags }),
        ...(originatingSipIp !== undefined && { originatingSipIp }),
        ...(originatingSipTrunkName !== undefined && { originatingSipTrunkName }),
        identity,
        ...(account.sipRealm !== null && { sipRealm: account.sipRealm }),
        ...(authenticatedUser !== undefined && {
          authenticatedUser,
          mayCallUsers: header(SIP_HEADERS.mayCallUsers) === 'yes',
        }),
        ...(voipCarrierSid !== undefined && { voipCarrierSid }),
        ...(apiBaseUrl !== undefined && { apiBaseUrl }),
        ...(stir !== null && { stir }),
      },
    });
  }

  #lookUp(request: SipRequest, callSid: string): Found | Refusal {
    const refusal = this.options.refusal();
    if (refusal !== undefined) return refuse(503, refusal);
    const accountSid = headerOf(request, SIP_HEADERS.accountSid);
    if (accountSid === undefined) return refuse(500, 'missing X-Account-Sid');
    if (this.options.isKnown(callSid)) return refuse(482, 'call is here already');
    const snapshot = this.options.snapshot();
    const account = snapshot.accountsBySid.get(accountSid);
    if (!account?.isActive) return refuse(503, account ? 'account is inactive' : 'unknown account');
    const user = headerOf(request, SIP_HEADERS.directUser);
    const named = snapshot.applicationsBySid.get(headerOf(request, SIP_HEADERS.applicationSid) ?? '');
    const hooks = {
      callHook: headerOf(request, SIP_HEADERS.callHook),
      callStatusHook: headerOf(request, SIP_HEADERS.callStatusHook),
    };
    const application = user === undefined ? withUserHooks(named, hooks, account) : directCallTo(user, account);
    const isOurs = application && servesAccount(application, account);
    if (!isOurs || (!application.callHook && application.appJson === null)) {
      return refuse(480, 'no configured application');
    }
    const parties = partiesOf(request);
    if (!parties) return refuse(400, 'From cannot be read');
    return { ok: true, account, application, parties };
  }

  #refuse(request: SipRequest, response: SipResponse, callSid: string, { status, reason }: Refusal): void {
    const headers: Record<string, string> = { 'X-Reason': headerValue(reason), [SIP_HEADERS.callSid]: callSid };
    if (status === 503) headers['Retry-After'] = '2';
    response.send(status, undefined, { headers });
    const accountSid = headerOf(request, SIP_HEADERS.accountSid);
    const sipCallId = headerOf(request, SIP_HEADERS.outerCallId);
    this.options.onRefused({
      status,
      reason,
      callSid,
      ...(accountSid !== undefined && { accountSid }),
      ...(sipCallId !== undefined && { sipCallId }),
    });
  }
}

/** Resolves when the edge says that the call is ours; it does so at once, or never. */
function committed(leg: InboundLeg): Promise<void> {
  const told = new Promise<void>((resolve) => leg.onMoved(resolve));
  const late = () => new CallGoneError('the edge did not put us in the place of the other feature server');
  const inTime = within(COMMIT_MS, told, late);
  // Whoever waits for it hears of it; the call may be over before anybody does.
  inTime.catch(() => {});
  return inTime;
}

/** A header without surrounding space; undefined when it is absent or empty. */
function headerOf(request: SipRequest, name: string): string | undefined {
  return request.get(name)?.trim() || undefined;
}

function parsedInvite(request: SipRequest): Record<string, unknown> {
  const message = request as SipRequest & { version?: string; raw?: string };
  return {
    headers: message.headers,
    body: message.body,
    method: message.method,
    version: message.version ?? '2.0',
    uri: message.uri,
    payload: message.payload,
    raw: message.raw,
  };
}
