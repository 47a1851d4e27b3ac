import type { RecognizerSpec } from '@ringwire/verb-specs';
import type { MediaEndpoint } from '../media/media.js';
import { Ear, type EarChannels, type EarEvent } from '../speech/ear.js';
import type { RecognitionService } from '../speech/recognition-service.js';
import type { CallHearing, Hearing } from '../verbs/verb.js';
import type { Journal } from './journal.js';
import type { SessionDefaults } from './session-defaults.js';

/** One call's ears: the session's recognizer on the call's sound, or on another endpoint's. */
export class SessionHearing implements CallHearing {
  constructor(
    private readonly options: {
      service: RecognitionService;
      defaults: SessionDefaults;
      journal: Journal;
      callSid: string;
      /** @throws MediaServerError while there is none */
      endpoint(): MediaEndpoint;
    },
  ) {}

  listen({
    endpoint,
    recognizer = {},
    interim = false,
    channels,
    onEvent,
  }: {
    endpoint?: MediaEndpoint;
    recognizer?: Partial<RecognizerSpec>;
    interim?: boolean;
    channels: EarChannels;
    onEvent(event: EarEvent): void;
  }): Hearing {
    const { service, defaults, journal, callSid } = this.options;
    const choice = defaults.recognizerChoice(recognizer, interim);
    const vad = { ...defaults.vad, ...choice.settings.spec.vad };
    return new Ear({
      tap: (endpoint ?? this.options.endpoint()).tap,
      service,
      choice,
      channels,
      callSid,
      journal,
      vad,
      onEvent,
    });
  }
}
