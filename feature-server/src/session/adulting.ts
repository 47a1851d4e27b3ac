import type { VerbSpec } from '@ringwire/verb-specs';
import type { Application, Hook } from '../app-client/application.js';
import type { MediaEndpoint, MediaServer } from '../media/media.js';
import type { CallInfo } from './call-info.js';
import type { ChildCall } from './child-calls.js';
import type { PlacedLeg } from './dialler.js';
import { OutboundLeg } from './outbound-leg.js';
import type { CallSessionOptions } from './session-options.js';

/** What a leg goes on with that becomes a call of its own. */
export type AdultStart = { verbs: VerbSpec[] } | { hook: Hook };

/** A leg that a call has placed, when it leaves that call. */
export interface LeavingLeg {
  leg: PlacedLeg;
  endpoint: MediaEndpoint;
  child: ChildCall;
}

/** How the session of such a leg begins. */
export interface Adulthood {
  endpoint: MediaEndpoint;
  start: AdultStart;
  /** Call info of the call that had placed it. */
  parentCallInfo: Readonly<Record<string, unknown>>;
  /** Its statuses so far are told before those that come. */
  told: Promise<void>;
}

/** What the session of the leg is made of: what its parent's is, except for what is its own. */
export function adultOptions(
  parent: CallSessionOptions,
  { leg, endpoint, child }: LeavingLeg,
  start: AdultStart,
  statusHook: CallSessionOptions['statusHook'],
): CallSessionOptions {
  const {
    outgoing: _,
    config: ______,
    sources: __,
    statusHook: ___,
    onReleased: ____,
    makeDefaults,
    resumed: _____,
    ...shared
  } = parent;
  const { journal, info, callSid } = child;
  return {
    ...shared,
    leg: OutboundLeg.answered(leg),
    journal,
    info,
    application: parent.application.adult?.({ callSid, journal }) ?? parent.application,
    sources: {},
    ...(statusHook && { statusHook }),
    initialExtras: {},
    defaults: makeDefaults?.() ?? parent.defaults,
    ...(makeDefaults && { makeDefaults }),
    adulthood: { endpoint, start, parentCallInfo: parent.info.commonPayload(), told: child.giveAway() },
  };
}

/**
 * The first verbs of such a session. A WebSocket application is told `session:adulting` over a socket of the leg's own; one over HTTP is asked its hook with
 * the leg's call info.
 * @throws the errors of `Application.request`
 */
export async function adultVerbs(
  { start, parentCallInfo }: Adulthood,
  application: Application,
  info: CallInfo,
  signal: AbortSignal,
): Promise<VerbSpec[]> {
  const payload = { ...info.commonPayload(), parentCallInfo };
  const told = application.staysOpen
    ? await application.request('session:adulting', { url: '' }, payload, signal)
    : undefined;
  if ('verbs' in start) return start.verbs;
  const reply = await application.request('session:redirect', start.hook, payload, signal);
  if (reply.kind === 'verbs') return reply.verbs;
  return told?.kind === 'verbs' ? told.verbs : [];
}

/** A media server whose first endpoint is there already. */
export function adoptedEndpoint(endpoint: MediaEndpoint, server: MediaServer): Pick<MediaServer, 'createEndpoint'> {
  let first: MediaEndpoint | undefined = endpoint;
  return {
    createEndpoint: async (options) => {
      const made = first ?? server.createEndpoint(options);
      first = undefined;
      return made;
    },
  };
}
