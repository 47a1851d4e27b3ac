import { createTimeline, type EventSink, type Logger, type Timeline } from '@ringwire/common';

/** What a call belongs to, as its timeline, alerts and log lines name it. */
export interface CallIdentity {
  callSid: string;
  /** Call-ID of the leg towards the outside, where the edge told it. */
  sipCallId?: string;
  accountSid: string;
  serviceProviderSid: string | null;
}

/** jambonz's alert types, as far as this process raises them. */
export type AlertType =
  | 'webhook-failure'
  | 'webhook-connection-failure'
  | 'invalid-app-payload'
  | 'tts-failure'
  | 'no-tts'
  | 'no-llm'
  | 'llm-failure'
  | 'stt-failure'
  | 'no-stt'
  | 'play-url-notfound'
  | 'bot-action-delay-giveup'
  | 'verb-not-available'
  | 'error-updating-call'
  | 'recording-failure'
  | 'alert-from-application';

/** Where everything that happens on one call is written down: log, timeline, alerts. */
export interface Journal {
  readonly log: Logger;
  readonly timeline: Timeline;
  /**
   * Raises an alert for the call's account; the same type and message is raised once per call, and 200 different ones at most.
   * @returns whether it was raised, that is, whether it is news
   */
  alert(type: AlertType, message: string, detail?: string): boolean;
}

/** Different alerts of one call; an application that makes mistakes for hours raises no more. */
const MAX_ALERTS = 200;
/** Characters of an alert's texts: they may name what an application sent. */
const MAX_TEXT = 2_000;

const cut = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);

/** The {@link Journal} of one call over the platform's event stream. */
export function createJournal(sink: EventSink, logger: Logger, about: CallIdentity): Journal {
  const log = logger.child({ callSid: about.callSid });
  const timeline = createTimeline(sink, {
    callSid: about.callSid,
    accountSid: about.accountSid,
    ...(about.sipCallId !== undefined && { sipCallId: about.sipCallId }),
  });
  const raised = new Set<string>();
  return {
    log,
    timeline,
    alert(alertType, text, longDetail) {
      const message = cut(text);
      const detail = longDetail === undefined ? undefined : cut(longDetail);
      log.warn({ alertType, detail }, message);
      const key = `${alertType}\n${message}`;
      if (alertType !== 'alert-from-application') {
        if (raised.has(key) || raised.size >= MAX_ALERTS) return false;
        raised.add(key);
      }
      sink.emit(
        'alert',
        {
          alertType,
          message,
          accountSid: about.accountSid,
          serviceProviderSid: about.serviceProviderSid,
          targetSid: about.callSid,
          ...(detail !== undefined && { detail }),
        },
        { callSid: about.callSid, accountSid: about.accountSid },
      );
      return true;
    },
  };
}
