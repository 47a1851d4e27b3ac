/** jambonz's call status values, as call-status hooks carry them. */
export type CallStatus =
  | 'trying'
  | 'ringing'
  | 'early-media'
  | 'in-progress'
  | 'completed'
  | 'failed'
  | 'busy'
  | 'no-answer';

/** What can happen to a call leg, as far as its status is concerned. */
export type CallEvent =
  | { type: 'ringing' }
  | { type: 'earlyMedia' }
  | { type: 'answered' }
  /** The caller gave up before an answer (CANCEL). */
  | { type: 'abandoned' }
  /** We, or the far end of a call that we placed, refused it. */
  | { type: 'refused'; sipStatus: number; sipReason: string }
  /** The far end of a call that we placed is busy: 486, and 600. */
  | { type: 'farEndBusy'; sipStatus: number; sipReason: string }
  /** An answered call is over, whoever ended it. */
  | { type: 'ended' }
  /** An answered call was lost by the platform. */
  | { type: 'lost' };

/** Where a call stands: its status with the SIP status that goes with it. */
export interface CallProgress {
  status: CallStatus;
  sipStatus: number;
  sipReason: string;
}

type Cell<K extends CallEvent['type']> = (event: Extract<CallEvent, { type: K }>) => CallProgress;
type Row = { [K in CallEvent['type']]?: Cell<K> };

const RINGING: CallProgress = { status: 'ringing', sipStatus: 180, sipReason: 'Ringing' };
const EARLY: CallProgress = { status: 'early-media', sipStatus: 183, sipReason: 'Session Progress' };
const ANSWERED: CallProgress = { status: 'in-progress', sipStatus: 200, sipReason: 'OK' };
const COMPLETED: CallProgress = { status: 'completed', sipStatus: 200, sipReason: 'OK' };
const LOST: CallProgress = { status: 'failed', sipStatus: 500, sipReason: 'Server Internal Error' };
const ABANDONED: CallProgress = { status: 'no-answer', sipStatus: 487, sipReason: 'Request Terminated' };

const unanswered: Row = {
  answered: () => ANSWERED,
  abandoned: () => ABANDONED,
  refused: ({ sipStatus, sipReason }) => ({ status: 'failed', sipStatus, sipReason }),
  farEndBusy: ({ sipStatus, sipReason }) => ({ status: 'busy', sipStatus, sipReason }),
};

/**
 * One cell is one change of status and one call-status hook; an absent cell is no change and no hook, which is what
 * makes `completed` go out once when both sides hang up together.
 */
const TRANSITIONS: Record<CallStatus, Row> = {
  trying: { ...unanswered, ringing: () => RINGING, earlyMedia: () => EARLY },
  ringing: { ...unanswered, earlyMedia: () => EARLY },
  'early-media': unanswered,
  'in-progress': { ended: () => COMPLETED, lost: () => LOST },
  completed: {},
  failed: {},
  busy: {},
  'no-answer': {},
};

/** How every call begins. */
export const INITIAL_PROGRESS: CallProgress = { status: 'trying', sipStatus: 100, sipReason: 'Trying' };

/** The progress after an event; undefined when the event changes nothing in this state. */
export function step(status: CallStatus, event: CallEvent): CallProgress | undefined {
  const cell = TRANSITIONS[status][event.type] as ((event: CallEvent) => CallProgress) | undefined;
  return cell?.(event);
}

/** Whether a status is the last one of a call. */
export function isFinal(status: CallStatus): boolean {
  return Object.keys(TRANSITIONS[status]).length === 0;
}
