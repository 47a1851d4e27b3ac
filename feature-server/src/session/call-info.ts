import type { StirResult } from '@ringwire/common';
import type { DialogTags } from '@ringwire/common/sip/replaces.js';
import { type CallEvent, type CallProgress, INITIAL_PROGRESS, isFinal, step } from './call-status.js';
import type { DialledUser } from './dialler.js';

/** What is known about a call from its INVITE on; of one that we place, `sbcCallid` only from its answer on. */
export interface CallFacts {
  callSid: string;
  /** Of a leg that `dial` has placed: the call that did, and what it shows as its caller. */
  parentCallSid?: string;
  callerId?: string;
  direction: 'inbound' | 'outbound';
  from: string;
  to: string;
  /** Call-ID of the leg between edge and feature server. */
  callId: string;
  /** Call-ID of the leg towards the outside. */
  sbcCallid?: string;
  accountSid: string;
  serviceProviderSid: string | null;
  /** Empty for a call that was ordered with hooks of its own. */
  applicationSid: string;
  /** 32 hexadecimal digits. */
  traceId: string;
  /** From display name; may be empty. */
  callerName: string;
  originatingSipIp?: string;
  originatingSipTrunkName?: string;
  /** Carrier over which the call came in. */
  voipCarrierSid?: string;
  /** SIP realm of the account: that of users who are named without one. */
  sipRealm?: string;
  /** P-Asserted-Identity and Privacy of the caller, for legs that the call places. */
  identity?: Readonly<Record<string, string>>;
  /** Tags of the dialog towards the outside. */
  outerTags?: DialogTags;
  /** `name@realm` of the user at the far end; absent for callers of carriers. */
  authenticatedUser?: string;
  /** Whether this user may call other users without an application. */
  mayCallUsers?: boolean;
  /** `ip:port` of the core SIP server. */
  fsSipAddress: string;
  fsPublicIp?: string;
  apiBaseUrl?: string;
  /** Whether the caller is who it says; calls from carriers only. */
  stir?: StirResult;
}

/** How a call stands. */
export interface CallInfoState {
  progress: CallProgress;
  answeredAt?: number;
  customerData?: Record<string, unknown>;
}

/** A call's facts and progress, and the payloads that jambonz's hooks carry of them. Keys are camelCase here. */
export class CallInfo {
  #progress: CallProgress = INITIAL_PROGRESS;
  #customerData: Record<string, unknown> | undefined;
  #answeredAt: number | undefined;
  #durationSec: number | undefined;
  #terminatedBy: 'caller' | 'jambonz' | undefined;
  #byeHeaders: Record<string, string> | undefined;
  #reasonHeader: string | undefined;

  #facts: CallFacts;

  constructor(
    facts: CallFacts,
    private readonly now: () => number = Date.now,
  ) {
    this.#facts = facts;
  }

  get facts(): CallFacts {
    return this.#facts;
  }

  /** A call that we placed is answered: only now it is known who is at the other end of which dialog. */
  connected({ outerCallId, outerTags, user, mayCallUsers }: DialledUser & { outerCallId: string | undefined }): void {
    this.#facts = {
      ...this.#facts,
      ...(outerCallId !== undefined && { sbcCallid: outerCallId }),
      ...(outerTags && { outerTags }),
      ...(user !== undefined && { authenticatedUser: user, mayCallUsers: mayCallUsers === true }),
    };
  }

  /** Somebody else is at the far end, of whom nothing is known. */
  replaced(): void {
    const { authenticatedUser: _, mayCallUsers: __, ...facts } = this.#facts;
    this.#facts = facts;
  }

  /** What of this another feature server needs to go on with the call. */
  get state(): CallInfoState {
    const customerData = this.#customerData;
    return {
      progress: this.#progress,
      ...(this.#answeredAt !== undefined && { answeredAt: this.#answeredAt }),
      ...(customerData && { customerData }),
    };
  }

  restore({ progress, answeredAt, customerData }: CallInfoState): void {
    this.#progress = progress;
    this.#answeredAt = answeredAt;
    this.#customerData = customerData;
  }

  get progress(): CallProgress {
    return this.#progress;
  }

  get isOver(): boolean {
    return isFinal(this.#progress.status);
  }

  /** Ms since the epoch; undefined until the call is answered. */
  get answeredAt(): number | undefined {
    return this.#answeredAt;
  }

  /** `tag` replaces it as a whole. */
  set customerData(data: Record<string, unknown>) {
    this.#customerData = data;
  }

  /** `Reason` (RFC 3326) of the message that ends the call; told before the event that does. */
  set reasonHeader(reason: string | undefined) {
    this.#reasonHeader = reason;
  }

  /** Who ended the call, and which custom headers its BYE brought; told before the event that ends it. */
  setTermination(by: 'caller' | 'jambonz', byeHeaders?: Record<string, string>): void {
    this.#terminatedBy = by;
    if (byeHeaders && Object.keys(byeHeaders).length > 0) this.#byeHeaders = byeHeaders;
  }

  /** Moves the call on; returns whether its status changed, so that a call-status hook is due. */
  apply(event: CallEvent): boolean {
    const next = step(this.#progress.status, event);
    if (!next) return false;
    this.#progress = next;
    if (next.status === 'in-progress') this.#answeredAt = this.now();
    if (isFinal(next.status) && this.#answeredAt !== undefined) {
      this.#durationSec = Math.floor((this.now() - this.#answeredAt) / 1000);
    }
    return true;
  }

  /** The fields that every hook after the first carries (compat 2.4). */
  commonPayload(): Record<string, unknown> {
    const { facts } = this;
    return {
      callSid: facts.callSid,
      direction: facts.direction,
      from: facts.from,
      to: facts.to,
      callId: facts.callId,
      sbcCallid: facts.sbcCallid,
      sipStatus: this.#progress.sipStatus,
      sipReason: this.#progress.sipReason,
      callStatus: this.#progress.status,
      callerId: facts.callerId,
      parentCallSid: facts.parentCallSid,
      accountSid: facts.accountSid,
      applicationSid: facts.applicationSid || undefined,
      traceId: facts.traceId,
      fsSipAddress: facts.fsSipAddress,
      originatingSipIp: facts.originatingSipIp,
      originatingSipTrunkName: facts.originatingSipTrunkName,
      fsPublicIp: facts.fsPublicIp,
      apiBaseUrl: facts.apiBaseUrl,
      customerData: this.#customerData,
      ...(this.isOver && {
        callTerminationBy: this.#terminatedBy,
        headers: this.#byeHeaders,
        sipReasonHeader: this.#reasonHeader,
      }),
      ...(this.#durationSec !== undefined && { duration: this.#durationSec }),
    };
  }

  /** The fields of the first request to the application (compat 2.3), without `sip`, `defaults` and `env_vars`. */
  initialPayload(): Record<string, unknown> {
    const { facts } = this;
    return {
      direction: facts.direction,
      traceId: facts.traceId,
      hasRecording: false,
      callerName: facts.callerName,
      callSid: facts.callSid,
      accountSid: facts.accountSid,
      applicationSid: facts.applicationSid || undefined,
      serviceProviderSid: facts.serviceProviderSid ?? undefined,
      from: facts.from,
      to: facts.to,
      callId: facts.callId,
      sbcCallid: facts.sbcCallid,
      sipStatus: this.#progress.sipStatus,
      sipReason: this.#progress.sipReason,
      callStatus: this.#progress.status,
      originatingSipIp: facts.originatingSipIp,
      originatingSipTrunkName: facts.originatingSipTrunkName,
      localSipAddress: facts.fsSipAddress,
      publicIp: facts.fsPublicIp,
      stir: facts.stir,
      customerData: this.#customerData,
    };
  }
}
