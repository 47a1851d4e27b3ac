import {
  type GatewayAttempt,
  nowMs,
  type OutboundRoutes,
  type RoutedGateway,
  type SipGateway,
  type Timeline,
} from '@ringwire/common';
import type { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { LegFailure, LegTarget } from '@ringwire/common/sip/place-leg.js';
import type { SipResponse } from '@ringwire/common/sip/stack.js';
import type { SetupObserver } from '@ringwire/common/sip/two-leg-setup.js';
import { splitUri } from '@ringwire/common/sip/uri.js';
import type { CarrierHops } from './carrier-hops.js';
import { type CarrierInviteOptions, carrierInvite, needsRelay, redirectUri } from './carrier-invite.js';
import { judge } from './failover.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import { redirectRefusal } from './toll-fraud.js';

/** What the attempts of one call are made of. */
export interface GatewayAttemptsOptions extends CarrierInviteOptions {
  gateways: readonly RoutedGateway[];
  routes: OutboundRoutes;
  journal: CallJournal;
  metrics: GatewayMetrics;
  hops: CarrierHops;
  /** Whether media can be encrypted and transcoded. */
  hasRelay: boolean;
  /** Attempts in all, redirects included. */
  maxAttempts: number;
}

/** Redirects of one call that are followed: more would let two gateways send it back and forth. */
const MAX_REDIRECTS = 5;

interface Candidate extends RoutedGateway {
  redirectedTo?: string;
}

interface Current {
  candidate: Candidate;
  target: LegTarget;
  startedAtMs: number;
  isRinging: boolean;
  hasEarlyMedia: boolean;
  postDialDelayMs: number | null;
}

/**
 * One call's way through its gateways: says which is tried next, and tells timeline, record, metrics and routing of each
 * attempt. Made for the set-up of a bridged call: {@link next} is its `nextTarget`, {@link observer} listens to it.
 */
export class GatewayAttempts {
  readonly #waiting: Candidate[];
  readonly #redirects = new Set<string>();
  #current: Current | undefined;
  #attempts = 0;
  #decided = false;
  #isAbandoned = false;

  constructor(private readonly options: GatewayAttemptsOptions) {
    this.#waiting = [...options.gateways];
    options.request.on('cancel', () => this.#abandoned());
  }

  get attempts(): number {
    return this.#attempts;
  }

  readonly observer: SetupObserver = {
    progress: (_target, response) => this.#progress(response),
    answered: () => this.#answered(),
    failed: (_target, failure) => this.#failed(failure),
  };

  /** The next gateway's INVITE; null when nobody is left, or the last failure decides. */
  async next(): Promise<LegTarget | null> {
    while (!this.#decided) {
      const candidate = this.#waiting.shift();
      if (!candidate) return null;
      const { timeline } = this.options.journal;
      if (this.#attempts >= this.options.maxAttempts) {
        timeline.warn('routing', `${this.#attempts} gateways were tried: no more are`);
        return null;
      }
      const why = await this.options.hops.refusal(candidate.carrier, candidate.gateway);
      if (this.#isAbandoned) return null;
      if (why !== null) {
        this.#passOver(candidate, why);
        continue;
      }
      if (candidate.isTrial && this.options.routes.takeTrial?.(candidate.gateway) === false) {
        // As one that is out: when nothing else is left.
        this.#waiting.push({ ...candidate, isTrial: false, why: `${candidate.why}; another call tries it` });
        continue;
      }
      const target = this.#targetOf(candidate, timeline);
      if (target) return target;
    }
    return null;
  }

  #targetOf(candidate: Candidate, timeline: Timeline): LegTarget | null {
    const { carrier, gateway, redirectedTo } = candidate;
    const isUnable = !this.options.hasRelay && needsRelay(carrier, gateway);
    const invite = isUnable
      ? ({ ok: false, why: 'its media needs rtpengine, and there is none' } as const)
      : carrierInvite(candidate, { ...this.options, ...(redirectedTo === undefined ? {} : { redirectedTo }) });
    if (!invite.ok) {
      this.#passOver(candidate, invite.why);
      return null;
    }
    for (const note of invite.notes) timeline.info('routing', note);
    this.#attempts++;
    this.#current = {
      candidate,
      target: invite.leg,
      startedAtMs: nowMs(),
      isRinging: false,
      hasEarlyMedia: false,
      postDialDelayMs: null,
    };
    this.options.journal.carriedBy({
      voipCarrierSid: carrier.voipCarrierSid,
      trunk: carrier.name,
      remoteHost: gateway.address,
    });
    return invite.leg;
  }

  #passOver({ carrier, gateway }: Candidate, why: string): void {
    this.options.journal.timeline.warn('routing', `${gateway.address} of ${carrier.name} is passed over: ${why}`, {
      gatewaySid: gateway.sipGatewaySid,
      voipCarrierSid: carrier.voipCarrierSid,
    });
  }

  #progress({ status, body }: SipResponse): void {
    const current = this.#current;
    if (!current) return;
    current.postDialDelayMs ??= nowMs() - current.startedAtMs;
    if (status >= 180 && status <= 182) current.isRinging = true;
    if (body && this.options.call.sdp) current.hasEarlyMedia = true;
  }

  #answered(): void {
    const current = this.#current;
    if (!current) return;
    current.postDialDelayMs ??= nowMs() - current.startedAtMs;
    this.#tell(current, { outcome: 'answered', status: 200, isGatewayFailure: false });
  }

  #abandoned(): void {
    this.#isAbandoned = true;
    if (this.#current) this.#tell(this.#current, { outcome: 'abandoned', status: 487, isGatewayFailure: false });
  }

  #failed(failure: LegFailure): void {
    const current = this.#current;
    if (!current) return;
    const { candidate, startedAtMs, target } = current;
    const { carrier, gateway, why } = candidate;
    const redirected = this.#redirected(candidate, failure);
    const isRedirect = failure.contacts !== undefined;
    const verdict = redirected
      ? { next: true, why: `redirected to ${redirected}` }
      : isRedirect
        ? { next: true, why: 'redirected to no gateway of the carrier' }
        : judge(failure, current, carrier.outboundRules.failoverStatuses);
    this.#decided = !verdict.next;
    const ms = Math.round(nowMs() - startedAtMs);
    const { status, reason, kind } = failure;
    const isLast = verdict.next && this.#waiting.length === 0;
    const then = verdict.next ? (isLast ? 'no gateway is left' : 'the next is tried') : 'no other is tried';
    this.options.journal.timeline.warn(
      'routing',
      `${target.name} failed: ${status} ${reason} after ${ms} ms; ${verdict.why}: ${then}`,
      {
        gatewaySid: gateway.sipGatewaySid,
        voipCarrierSid: carrier.voipCarrierSid,
        kind,
        status,
        reason,
        ms,
        tried: why,
        why: verdict.why,
        next: verdict.next && !isLast,
      },
    );
    const isSilent = kind === 'silent' || kind === 'unanswered' || (kind === 'refused' && status === 408);
    this.#tell(current, {
      outcome: isSilent ? 'unanswered' : kind === 'refused' || kind === 'unusable' ? 'refused' : 'unreachable',
      status,
      isGatewayFailure: verdict.next && !redirected,
    });
  }

  /** Puts the contacts of a 3xx that are gateways of the same carrier before all others; any other may be a toll thief's. */
  #redirected(candidate: Candidate, { contacts }: LegFailure): string | undefined {
    const { carrier, why } = candidate;
    const found: Candidate[] = [];
    for (const contact of contacts ?? []) {
      const parts = splitUri(contact);
      if (!parts || this.#redirects.size >= MAX_REDIRECTS) continue;
      const own = this.options.snapshot.gatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [];
      const gateway = own.find((one) => one.isActive && one.outbound && isAt(one, parts.host, parts.port));
      const uri = gateway && redirectUri(contact, carrier, gateway);
      if (!gateway || !uri || this.#redirects.has(uri)) continue;
      const refusal = redirectRefusal(this.options.snapshot, this.options.call, parts.user ?? '', carrier);
      if (refusal !== null) {
        this.options.journal.timeline.warn('routing', `redirect to ${uri} is not followed: ${refusal}`);
        continue;
      }
      this.#redirects.add(uri);
      found.push({ carrier, gateway, redirectedTo: uri, why: `redirected; ${why}` });
    }
    this.#waiting.unshift(...found);
    return found.map(({ redirectedTo }) => redirectedTo).join(', ') || undefined;
  }

  #tell(current: Current, end: Pick<GatewayAttempt, 'outcome' | 'status' | 'isGatewayFailure'>): void {
    this.#current = undefined;
    const { candidate, startedAtMs, postDialDelayMs } = current;
    const { call, metrics, routes } = this.options;
    const attempt: GatewayAttempt = {
      accountSid: call.account.accountSid,
      carrier: candidate.carrier,
      gateway: candidate.gateway,
      called: call.target.user ?? '',
      startedAtMs,
      durationMs: nowMs() - startedAtMs,
      postDialDelayMs,
      ...end,
    };
    metrics.attempted(attempt);
    routes.attempted?.(attempt);
  }
}

const isAt = ({ address, port }: SipGateway, host: string, atPort: number | null): boolean =>
  address.toLowerCase() === host && (port ?? 5060) === (atPort ?? 5060);
