import { randomBytes, randomUUID } from 'node:crypto';
import {
  type Account,
  type Application,
  HttpError,
  type OrderedHook,
  type PlaceCallOrder,
  type ProvisioningSnapshot,
  servesAccount,
  type Webhook,
} from '@ringwire/common';
import type { DialCaller, Dialler, DialTarget } from '../session/dialler.js';
import { OutboundLeg } from '../session/outbound-leg.js';
import type { NewCall } from '../session/session-factory.js';

/** What ordered calls are made with. */
export interface OrderedCallContext {
  snapshot: Pick<ProvisioningSnapshot, 'accountsBySid' | 'applicationsBySid'>;
  dialler: Dialler;
  /** `ip:port` of our SIP server. */
  fsSipAddress: string;
  apiBaseUrl?: string;
}

/** The speech settings of who orders a call without application and says nothing of them. */
const OWN_VOICE = { vendor: 'espeak', language: 'en-US', voice: null, label: null };

/**
 * The call that an order asks for, with the Call-ID that its INVITE will have.
 *
 * @throws HttpError 4xx naming what cannot be done
 */
export function orderedCall(order: PlaceCallOrder, context: OrderedCallContext): { call: NewCall; callId: string } {
  const { snapshot, dialler, fsSipAddress, apiBaseUrl } = context;
  const account = snapshot.accountsBySid.get(order.accountSid);
  if (!account) throw new HttpError(404, `there is no account ${order.accountSid}`);
  if (!account.isActive) throw new HttpError(403, 'the account is not active');
  const application = applicationOf(order, account, snapshot);
  const target = targetOf(order, account);
  const callId = randomUUID();
  const caller: DialCaller = {
    accountSid: account.accountSid,
    applicationSid: application.applicationSid,
    from: order.from,
    displayName: order.callerName ?? '',
    identity: {},
  };
  const { callSid, timeoutMs: answerMs, timeLimitMs, tag } = order;
  const leg = new OutboundLeg((offer, onProgress) =>
    dialler.place({ target, caller, callSid, offer, answerMs, callId, onProgress }),
  );
  return {
    callId,
    call: {
      leg,
      account,
      application,
      outgoing: { leg, ...(timeLimitMs !== undefined && { timeLimitMs }) },
      ...(tag && { customerData: tag }),
      ...(order.config && { config: order.config }),
      facts: {
        callSid,
        direction: 'outbound',
        from: order.from,
        to: target.address,
        callId,
        accountSid: account.accountSid,
        serviceProviderSid: account.serviceProviderSid,
        applicationSid: application.applicationSid,
        traceId: randomBytes(16).toString('hex'),
        callerName: order.callerName ?? '',
        fsSipAddress,
        ...(account.sipRealm !== null && { sipRealm: account.sipRealm }),
        ...(apiBaseUrl !== undefined && { apiBaseUrl }),
      },
    },
  };
}

/** The application that answers: the one that is named, with what the order says in place of it. */
function applicationOf(order: PlaceCallOrder, account: Account, snapshot: OrderedCallContext['snapshot']): Application {
  const named = order.applicationSid === null ? undefined : snapshot.applicationsBySid.get(order.applicationSid);
  const isOurs = named && servesAccount(named, account);
  if (order.applicationSid !== null && !isOurs) {
    throw new HttpError(404, `there is no application ${order.applicationSid}`);
  }
  const base = named ?? blankApplication(account);
  const { callHook, callStatusHook, appJson, speech, envVars, recordAllCalls } = order;
  const { synthesisVendor, synthesisLanguage, synthesisVoice, synthesisLabel } = speech;
  const { recognizerVendor, recognizerLanguage, recognizerLabel } = speech;
  return {
    ...base,
    ...(callHook && { callHook: webhookOf(callHook), appJson: null }),
    ...(callStatusHook && { callStatusHook: webhookOf(callStatusHook) }),
    ...(appJson !== undefined && { appJson }),
    ...(envVars !== undefined && { envVars }),
    ...(recordAllCalls !== undefined && { recordAllCalls }),
    synthesizer: {
      ...(synthesisVendor === undefined ? base.synthesizer : { ...OWN_VOICE, vendor: synthesisVendor }),
      ...(synthesisLanguage !== undefined && { language: synthesisLanguage }),
      ...(synthesisVoice !== undefined && { voice: synthesisVoice }),
      ...(synthesisLabel !== undefined && { label: synthesisLabel }),
    },
    recognizer: {
      ...base.recognizer,
      ...(recognizerVendor !== undefined && { vendor: recognizerVendor, label: null }),
      ...(recognizerLanguage !== undefined && { language: recognizerLanguage }),
      ...(recognizerLabel !== undefined && { label: recognizerLabel }),
    },
  };
}

const blankApplication = ({ accountSid, serviceProviderSid }: Account): Application => ({
  applicationSid: '',
  name: '',
  accountSid,
  serviceProviderSid,
  callHook: null,
  callStatusHook: null,
  messagingHook: null,
  appJson: null,
  synthesizer: OWN_VOICE,
  recognizer: OWN_VOICE,
  fallbackSynthesizer: null,
  fallbackRecognizer: null,
  envVars: null,
  recordAllCalls: false,
});

const webhookOf = (hook: OrderedHook): Webhook => ({ webhookSid: '', ...hook });

function targetOf({ to, headers, fromHost }: PlaceCallOrder, account: Account): DialTarget {
  const { type: routing, trunk, proxy, auth, overrideTo, tenant, vmail } = to;
  return {
    routing,
    address: addressOf(to, account),
    headers,
    ...(trunk !== undefined && { trunk }),
    ...(proxy !== undefined && { proxy }),
    ...(auth !== undefined && { auth }),
    ...(overrideTo !== undefined && { overrideTo }),
    ...(tenant !== undefined && { tenant }),
    ...(vmail !== undefined && { vmail }),
    ...(fromHost !== undefined && { from: { host: fromHost } }),
  };
}

function addressOf({ type, number, sipUri, name = '' }: PlaceCallOrder['to'], { sipRealm }: Account): string {
  if (type === 'sip') return sipUri ?? '';
  if (type !== 'user') return number ?? '';
  if (name.includes('@')) return name;
  if (sipRealm === null) throw new HttpError(400, 'to.name: the account has no SIP realm; write name@realm');
  return `${name}@${sipRealm}`;
}
