import { dialableNumber, type Logger, type SbcInfo, type Secret, SIP_HEADERS } from '@ringwire/common';
import { isInternalHeader, passableHeaders } from '@ringwire/common/sip/header-policy.js';
import { hangUp, sendInDialog } from '@ringwire/common/sip/in-dialog.js';
import { keepAlive } from '@ringwire/common/sip/keepalive.js';
import {
  discard,
  isPending,
  type LegFailure,
  type LegResult,
  type LegTarget,
  placeLeg,
} from '@ringwire/common/sip/place-leg.js';
import { parseTags, replacesText } from '@ringwire/common/sip/replaces.js';
import { sealCredentials } from '@ringwire/common/sip/sealed-credentials.js';
import type { SipDialog, SipHeaders, SipStack } from '@ringwire/common/sip/stack.js';
import { nameAddr, splitUri } from '@ringwire/common/sip/uri.js';
import { CallGoneError } from '../errors.js';
import type {
  LegChanges,
  LegReply,
  LegRequest,
  LegRequestHandler,
  ModifyHandler,
  ReferHandler,
} from '../session/call-leg.js';
import type { DialCaller, Dialler, DialOutcome, DialTarget, PlacedLeg, PlacedLegEnd } from '../session/dialler.js';
import type { NamedTalk } from '../session/talks.js';
import { customHeaders, reasonHeaderOf } from './custom-headers.js';
import { DialogChanges } from './dialog-changes.js';
import { dtmfInfoBody } from './dtmf-info.js';
import { headerValue } from './header-value.js';
import { hostOf, LegRequests } from './leg-requests.js';
import { notifyOfTransfer, readRefer } from './refer.js';

/** What an {@link EdgeDialler} is made of. */
export interface EdgeDiallerOptions {
  stack: SipStack;
  logger: Logger;
  /** The edges that are alive. */
  edges(): readonly SbcInfo[];
  /** Whether the SIP server of an edge, `ip:port`, answers. */
  reachable(sipAddress: string): boolean;
  /** Aborts when the edge of this instance id is found to be dead. */
  gone(instanceId: string): AbortSignal;
  /** Aborts when the core SIP server is lost, and all its dialogs with it. */
  lost(): AbortSignal;
  /** Whether a carrier, by its sid, gets keys by SIP INFO (`dtmf_type` `info`). */
  wantsInfo(carrierSid: string): boolean;
  /** `ENCRYPTION_SECRET`, which edges have too: for what nobody on the way is to read. */
  encryptionSecret: Secret | string;
  /** `ip:port` of the SIP server of the feature server that holds a talk; undefined where none does. */
  whereIs(talk: NamedTalk): Promise<string | undefined>;
}

/** How the edge, and Teams, are told to call the voicemail. */
const VOICEMAIL = ';opaque=app:voicemail';
/** How often the far end of a leg between feature servers is asked whether it lives: it has no edge that would find out. */
export const KEEPALIVE_MS = 2_000;

/** Keys that wait for a far end that is slow to take them; more than anybody dials ahead. */
const MAX_WAITING_KEYS = 100;

const failed = (status: number, reason: string): PlacedLeg => ({
  outcome: Promise.resolve({ ok: false, status, reason }),
  onModify: () => {},
  onDigit: () => {},
  onRefer: () => {},
  peerHost: undefined,
  request: () => Promise.reject(new CallGoneError('the leg has no dialog')),
  onRequest: () => {},
  onEnd: () => {},
  end: async () => {},
});

type PlaceOptions = Parameters<Dialler['place']>[0];

/**
 * Statuses that a SIP server answers itself where the edge's process is missing (503, 480 as drachtio-server has it) or has not answered
 * (408), and the 503 of an edge that drains or is full.
 */
const NOT_TAKEN: readonly number[] = [408, 480, 503];

/** Places legs at the edge with the fewest calls, and at the next where that is dead or takes none (docs/interfaces.md, core → edge). */
export class EdgeDialler implements Dialler {
  constructor(private readonly options: EdgeDiallerOptions) {}

  place(options: PlaceOptions): PlacedLeg {
    if (options.target.talk) return new EdgeLeg(this.options, this.#wayToTalk(options), options);
    const edges = this.#edges();
    const [first] = edges;
    if (!first) return failed(503, 'no edge for calls out is alive');
    if (uriOf(options.target, options.caller.realm, first) === null) {
      return failed(400, 'the target is no number, SIP URI or user');
    }
    return new EdgeLeg(
      this.options,
      edges.flatMap((edge) => legTo(edge, options, this.options.encryptionSecret) ?? []),
      options,
    );
  }

  async #wayToTalk({ target, caller, callSid }: PlaceOptions): Promise<Way[]> {
    const { replaces, user } = target.talk!;
    const address = await this.options.whereIs({ accountSid: caller.accountSid, user, replaces });
    return address === undefined ? [] : [legToTalk(address, { ...caller, callSid, user, replaces })];
  }

  /** In the order of trying: those that answer before those that do not, few calls before many. */
  #edges(): SbcInfo[] {
    const silence = ({ privateSipAddress }: SbcInfo): number => Number(!this.options.reachable(privateSipAddress));
    return this.options
      .edges()
      .filter(({ role, accepting }) => role === 'outbound' && accepting)
      .sort((a, b) => silence(a) - silence(b) || a.calls - b.calls);
  }
}

/** Where a leg may go, and how. */
interface Way extends LegTarget {
  /** Nobody else finds out when its far end dies. */
  keepsAlive?: boolean;
}

/** The INVITE to another feature server, which takes the place of a user's telephone there (RFC 3891). */
function legToTalk(
  address: string,
  { from, displayName, callSid, accountSid, user, replaces }: DialCaller & NamedTalk & { callSid: string },
): Way {
  const uri = `sip:${address}`;
  return {
    name: `feature server at ${address}`,
    uri,
    keepsAlive: true,
    headers: {
      From: nameAddr(displayName || null, `sip:${fromUser(from)}@localhost`),
      To: `<${uri}>`,
      'Content-Type': 'application/sdp',
      Replaces: replacesText(replaces),
      [SIP_HEADERS.accountSid]: accountSid,
      [SIP_HEADERS.callSid]: callSid,
      [SIP_HEADERS.authenticatedUser]: user,
    },
  };
}

/** The INVITE by way of an edge; null when the target is no address. The same call keeps its Call-ID at the next edge (RFC 3263 §4.3). */
function legTo(edge: SbcInfo, { target, caller, callSid, callId }: PlaceOptions, secret: Secret | string): Way | null {
  const uri = uriOf(target, caller.realm, edge);
  if (uri === null) return null;
  return {
    name: edge.instanceId,
    uri,
    headers: {
      ...headersOf(target, caller, callSid, uri),
      ...(target.auth && { [SIP_HEADERS.credentials]: sealCredentials(target.auth, secret) }),
      ...(callId !== undefined && { 'Call-ID': callId }),
    },
    ...(isNumber(target) ? {} : { proxy: hopTo(edge) }),
  };
}

/** Whether another edge may take the call: this one is dead, or has not looked at it. What a callee answers carries `X-Call-Sid`. */
function isNotTaken({ kind, status, callSid }: LegFailure): boolean {
  if (kind === 'refused') return callSid === undefined && NOT_TAKEN.includes(status);
  return kind === 'gone' || kind === 'unsent';
}

/**
 * Over UDP, whatever the size: the edge knows our calls by the address of our SIP server, and a connection would come from
 * another port.
 */
const hopTo = (edge: SbcInfo, user = ''): string => `sip:${user}${edge.privateSipAddress};transport=udp`;

const isNumber = ({ routing }: DialTarget): boolean => routing === 'phone' || routing === 'teams';

function userUri(name: string, realm: string | undefined): string {
  const user = name.replace(/^sips?:/i, '');
  return `sip:${user.includes('@') ? user : `${user}@${realm ?? ''}`}`;
}

function uriOf(target: DialTarget, realm: string | undefined, edge: SbcInfo): string | null {
  const { routing, address } = target;
  if (!isNumber(target)) {
    const uri = routing === 'user' ? userUri(address, realm) : address;
    const parts = splitUri(uri);
    return parts && parts.scheme !== 'tel' && parts.host !== '' && (routing === 'sip' || parts.user) ? uri : null;
  }
  const number = dialableNumber(address);
  if (number === null) return null;
  return `${hopTo(edge, `${number}@`)}${routing === 'teams' && target.vmail ? VOICEMAIL : ''}`;
}

/** The application's headers first: ours cannot be overwritten by them. */
function headersOf(target: DialTarget, caller: DialCaller, callSid: string, uri: string): SipHeaders {
  const own = Object.entries(target.headers).filter(([name]) => /^[\w-]{1,64}$/.test(name) && !isInternalHeader(name));
  const optional: Record<string, string | undefined> = {
    [SIP_HEADERS.outerCallId]: caller.outerCallId,
    [SIP_HEADERS.voipCarrierSid]: caller.voipCarrierSid,
    'X-Requested-Carrier-Sid': target.trunk,
    'X-Preferred-From-User': target.from?.user,
    'X-Preferred-From-Host': target.from?.host,
    'X-SIP-Proxy': target.proxy,
    'X-Override-To': target.overrideTo,
    [SIP_HEADERS.teamsTenant]: target.tenant,
    [SIP_HEADERS.srtp]: target.srtp,
    [SIP_HEADERS.applicationSid]: caller.applicationSid,
  };
  const given = Object.entries(optional).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return {
    ...caller.identity,
    ...passableHeaders({ headers: Object.fromEntries(own) }),
    From: nameAddr(caller.displayName || null, `sip:${fromUser(caller.from)}@localhost`),
    To: `<${uri}>`,
    'Content-Type': 'application/sdp',
    [SIP_HEADERS.accountSid]: caller.accountSid,
    [SIP_HEADERS.callSid]: callSid,
    [SIP_HEADERS.routing]: target.routing,
    ...Object.fromEntries(given.map(([name, value]) => [name, headerValue(value)])),
  };
}

const fromUser = (from: string): string => (/^[\w+*#.!~'()&=$,;?/-]{1,256}$/.test(from) ? from : 'anonymous');

class EdgeLeg implements PlacedLeg {
  readonly outcome: Promise<DialOutcome>;
  readonly #ended = new AbortController();
  #dialog: SipDialog | undefined;
  /** Of the leg to the outside that the edge has told of last. */
  #outerCallId: string | undefined;
  #changes: DialogChanges | undefined;
  /** How the answered leg ended, when it did so by itself. */
  #end: PlacedLegEnd | undefined;
  #onEnd: (end: PlacedLegEnd) => void = () => {};
  #onDigit: (key: string, durationMs: number | undefined) => void = () => {};
  #answerModify: ModifyHandler = () => Promise.reject(new Error('no media'));
  #takeRefer: ReferHandler | undefined;
  readonly #requests = new LegRequests();

  constructor(
    private readonly options: EdgeDiallerOptions,
    ways: readonly Way[] | Promise<readonly Way[]>,
    call: PlaceOptions,
  ) {
    this.outcome = this.#place(ways, call);
  }

  onModify(answer: ModifyHandler): void {
    this.#answerModify = answer;
  }

  onDigit(listener: (key: string, durationMs: number | undefined) => void): void {
    this.#onDigit = listener;
  }

  onRefer(handler: ReferHandler | undefined): void {
    this.#takeRefer = handler;
  }

  get outerCallId(): string | undefined {
    return this.#outerCallId;
  }

  get changes(): LegChanges | undefined {
    return this.#changes;
  }

  get peerHost(): string | undefined {
    return hostOf(this.#dialog);
  }

  request(request: LegRequest): Promise<LegReply> {
    return this.#requests.send(this.#dialog, request, this.#ended.signal);
  }

  onRequest(handler: LegRequestHandler | undefined): void {
    this.#requests.onRequest(handler);
  }

  onEnd(listener: (end: PlacedLegEnd) => void): void {
    this.#onEnd = listener;
    const end = this.#end;
    if (end) queueMicrotask(() => listener(end));
  }

  async end(headers: Record<string, string> = {}): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(headers);
    const dialog = this.#dialog;
    if (!dialog?.connected) return;
    await hangUp(dialog, headers, this.options.lost());
  }

  /** Tries one way after the other until somebody has taken the call. */
  async #try(ways: readonly Way[], call: PlaceOptions, lost: AbortSignal): Promise<LegResult> {
    const endsAt = performance.now() + call.answerMs;
    const none = { kind: 'unsent', status: 481, reason: 'Call/Transaction Does Not Exist', headers: {} } as const;
    let result: LegResult = { ok: false, failure: none };
    for (const [index, leg] of ways.entries()) {
      // The last one is waited for: it may be the probes that are lost.
      const gone = index < ways.length - 1 && { gone: this.options.gone(leg.name) };
      const limits = { answerMs: Math.max(1, endsAt - performance.now()), abandoned: this.#ended.signal, lost };
      let isRinging = false;
      let hasEarlyMedia = false;
      result = await placeLeg(this.options.stack, { ...leg, ...gone }, call.offer, limits, (response) => {
        if (response.status <= 100) return;
        isRinging = true;
        this.#outerCallId = response.get(SIP_HEADERS.outerCallId) ?? this.#outerCallId;
        hasEarlyMedia ||= Boolean(response.body);
        call.onProgress(response.status, response.body ?? '');
      });
      if (result.ok) break;
      // What rang by way of an edge that is dead can be answered by nobody any more: an answer that comes all the same is hung up. Who has heard it has its SDP.
      const mayGoOn = isRinging ? result.failure.kind === 'gone' && !hasEarlyMedia : isNotTaken(result.failure);
      if (!mayGoOn) break;
      const { kind, status, reason } = result.failure;
      this.options.logger.warn(
        { edge: leg.name, callSid: call.callSid, kind, status, reason },
        'an edge took no call, or died with it',
      );
    }
    return result;
  }

  async #place(waysOrNot: readonly Way[] | Promise<readonly Way[]>, call: PlaceOptions): Promise<DialOutcome> {
    const lost = this.options.lost();
    const ways = await waysOrNot;
    const placed = await this.#try(ways, call, lost);
    if (!placed.ok) {
      const { kind, status, reason, headers, outerCallId = this.#outerCallId } = placed.failure;
      const outer = outerCallId !== undefined && { outerCallId };
      // What rang too long was cancelled by us: jambonz tells it as 487.
      if (kind === 'unanswered') return { ok: false, status: 487, reason: 'Request Terminated', ...outer };
      return { ok: false, status, reason: headers['X-Reason'] ?? reason, ...reasonHeaderOf({ headers }), ...outer };
    }
    const { leg } = placed;
    if (isPending(leg) || this.#ended.signal.aborted) {
      discard(leg, lost);
      return { ok: false, status: 487, reason: 'Request Terminated' };
    }
    this.#dialog = leg;
    const isAlone = ways.some(({ keepsAlive }) => keepsAlive);
    this.#watch(leg, lost, isAlone);
    const outerTags = parseTags(leg.res.get(SIP_HEADERS.outerTags));
    const user = leg.res.get(SIP_HEADERS.authenticatedUser);
    const carrierSid = leg.res.get(SIP_HEADERS.voipCarrierSid);
    return {
      ok: true,
      sdp: leg.res.body,
      outerCallId: leg.res.get(SIP_HEADERS.outerCallId),
      ...(outerTags && { outerTags }),
      ...(user && { user, mayCallUsers: leg.res.get(SIP_HEADERS.mayCallUsers) === 'yes' }),
      ...(carrierSid && this.options.wantsInfo(carrierSid) && { sendKey: this.#keySender(leg, lost) }),
    };
  }

  /** Keys by INFO, one after the other: two that are under way at once could arrive in the other order. */
  #keySender(dialog: SipDialog, lost: AbortSignal): (key: string, durationMs: number | undefined) => void {
    let last: Promise<unknown> = Promise.resolve();
    let waiting = 0;
    return (key, durationMs) => {
      if (waiting >= MAX_WAITING_KEYS) return;
      waiting++;
      const headers = { 'Content-Type': 'application/dtmf-relay' };
      const body = dtmfInfoBody(key, durationMs);
      last = last
        .then(async () => {
          if (!this.#ended.signal.aborted) await sendInDialog(dialog, { method: 'INFO', headers, body }, { lost });
        })
        .catch((err: unknown) => this.options.logger.debug({ err }, 'a key was not taken by the far end'))
        .finally(() => waiting--);
    };
  }

  #watch(dialog: SipDialog, lost: AbortSignal, isAlone: boolean): void {
    const over = (end: PlacedLegEnd): void => {
      if (this.#ended.signal.aborted) return;
      this.#ended.abort({});
      dialog.removeAllListeners();
      this.#end = end;
      this.#onEnd(end);
    };
    dialog.on('destroy', (bye) => over({ how: 'bye', headers: customHeaders(bye), ...(bye && reasonHeaderOf(bye)) }));
    const onLost = (): void => over({ how: 'lost', reason: 'control connection closed' });
    lost.addEventListener('abort', onLost, { once: true, signal: this.#ended.signal });
    this.#changes = new DialogChanges(dialog, {
      remoteSdp: dialog.res.body,
      isAnswer: true,
      answer: () => this.#answerModify,
      over: this.#ended.signal,
      logger: this.options.logger,
    });
    this.#requests.watch(dialog, (key, durationMs) => this.#onDigit(key, durationMs));
    dialog.on('refer', (request, response) => {
      const refer = readRefer(request, (status, reason) => notifyOfTransfer(dialog, status, reason));
      response.send(refer ? (this.#takeRefer?.(refer) ?? 501) : 400);
    });
    if (isAlone) {
      const keepalive = keepAlive(dialog, {
        intervalMs: KEEPALIVE_MS,
        lost,
        onDead: (why) => {
          void hangUp(dialog, {}, lost);
          over({ how: 'lost', reason: why });
        },
      });
      this.#ended.signal.addEventListener('abort', () => keepalive.stop(), { once: true });
    }
    // A BYE that came together with the 200 found nobody who listened.
    if (!dialog.connected) over({ how: 'bye', headers: {} });
  }
}
