/**
 * What processes tell each other about calls, through the Redis stream {@link EVENT_STREAM}.
 *
 * Delivery is at least once and order is kept per producer; consumers are idempotent by {@link EventEnvelope.id} or by
 * call sid. Times are milliseconds since the epoch, as floats with microsecond resolution, so that events of one
 * process sort in the order in which they happened.
 */

import type { MessageReceipt, MessageRecord } from '../messages/types.js';

/** The Redis stream that all events go to. */
export const EVENT_STREAM = 'ringwire:events';

/** `inbound`: from a carrier or a device to us; `outbound`: placed by us. */
export type CallDirection = 'inbound' | 'outbound';

/** What is known when a call is admitted at the edge. */
export interface CallStarted {
  callSid: string;
  /** The account that the call belongs to; null when the call was refused before one was found. */
  accountSid: string | null;
  serviceProviderSid: string | null;
  applicationSid: string | null;
  voipCarrierSid: string | null;
  direction: CallDirection;
  from: string;
  to: string;
  /** Call-ID of the leg towards the outside. */
  sipCallId: string;
  /** Carrier name, `user`, or `sipUri`. */
  trunk: string;
  /** IP address of the far end. */
  remoteHost: string;
  /** Address of this edge. */
  host: string;
  /** When the INVITE came in (ms since the epoch). */
  attemptedAt: number;
  /** Instance id of the process that owns the call and will report its end. */
  owner: string;
}

/** Why a call ended, in jambonz's words: they are part of the public call record. */
export type TerminationReason =
  | 'caller hungup'
  | 'called party hungup'
  | 'caller abandoned'
  | 'failed'
  | 'platform failure';

/** The whole call record; written once per call sid, whatever arrives twice. */
export interface CallEnded extends CallStarted {
  answered: boolean;
  answeredAt: number | null;
  terminatedAt: number;
  /** Whole seconds from answer to end; 0 when not answered. */
  durationSec: number;
  sipStatus: number;
  sipReason: string;
  terminationReason: TerminationReason;
}

/** The subject of a timeline entry; the terminal and the portal choose a colour by it. */
export type TimelineKind = 'call' | 'sip' | 'routing' | 'media' | 'hook' | 'verb' | 'speech' | 'dtmf' | 'alert';

/** One line of a call's timeline. */
export interface TimelineEntry {
  kind: TimelineKind;
  /** `error` means that this entry names the cause of something that went wrong. */
  level: 'info' | 'warn' | 'error';
  /** One line for people: `say: "Welcome" (espeak, 1.4 s)`. */
  text: string;
  /** The facts behind the line, secrets masked: request and response bodies, SIP status, JSON path… */
  data?: Record<string, unknown>;
}

/** Something an operator or a customer should look at; becomes a row of the alerts table. */
export interface Alert {
  /** jambonz's alert types, e.g. `webhook-failure`, `webhook-connection-failure`, `invalid-app-payload`, `tts-failure`, `play-url-notfound`. */
  alertType: string;
  serviceProviderSid: string | null;
  accountSid: string | null;
  message: string;
  detail?: string;
  targetSid?: string;
}

/** Payload by event type. */
export interface EventData {
  'call.started': CallStarted;
  'call.answered': { callSid: string; answeredAt: number };
  'call.ended': CallEnded;
  /** A call's recording is stored; `recordingUrl` is null when it was removed. */
  'call.recorded': { callSid: string; recordingUrl: string | null };
  'call.timeline': TimelineEntry;
  alert: Alert;
  'message.changed': MessageRecord;
  'message.receipt': MessageReceipt;
}

/** The kinds of event. */
export type EventType = keyof EventData;

/** An event as it stands in the stream (field `event`, as JSON). */
export type EventEnvelope<T extends EventType = EventType> = {
  [K in T]: {
    /** Unique id (UUID), for idempotent consumers. */
    id: string;
    type: K;
    /** When it happened: ms since the epoch, fractional. */
    at: number;
    /** Process name and instance: `feature-server:3f2a`. */
    source: string;
    /** The call it belongs to, where there is one. */
    callSid?: string;
    /** Call-ID of the outer leg, so that a SIP peer can find its call. */
    sipCallId?: string;
    accountSid?: string;
    data: EventData[K];
  };
}[T];

/** Where processes put events. Never throws and never blocks: see the implementation for what happens while Redis is away. */
export interface EventSink {
  emit<T extends EventType>(
    type: T,
    data: EventData[T],
    about?: { callSid?: string; sipCallId?: string; accountSid?: string; at?: number },
  ): void;
}
