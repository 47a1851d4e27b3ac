import { maskSecrets, maskText } from './mask.js';
import type { EventSink, TimelineEntry, TimelineKind } from './types.js';

/** Writes the lines of one call's timeline. Costs a copy of `data`; never throws and never waits. */
export interface Timeline {
  info(kind: TimelineKind, text: string, data?: Record<string, unknown>): void;
  /** Something went wrong and was coped with. */
  warn(kind: TimelineKind, text: string, data?: Record<string, unknown>): void;
  /** This entry names the cause of something that went wrong. */
  error(kind: TimelineKind, text: string, data?: Record<string, unknown>): void;
}

/** The call that a timeline is about. */
export interface TimelineSubject {
  callSid: string;
  sipCallId?: string;
  accountSid?: string;
}

/** Makes a call's timeline: entries go to `sink` as `call.timeline` events with secrets masked. */
export function createTimeline(sink: EventSink, about: TimelineSubject): Timeline {
  const write =
    (level: TimelineEntry['level']) =>
    (kind: TimelineKind, text: string, data?: Record<string, unknown>): void =>
      sink.emit(
        'call.timeline',
        { kind, level, text: maskText(text), ...(data === undefined ? {} : { data: maskSecrets(data) }) },
        about,
      );
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
