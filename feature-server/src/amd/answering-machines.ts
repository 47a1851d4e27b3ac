import type { AmdSpec } from '@ringwire/verb-specs';
import type { AudioStream } from '../media/audio-streams.js';
import type { MediaEndpoint } from '../media/media.js';
import type { BackgroundTask } from '../session/background-tasks.js';
import type { Journal } from '../session/journal.js';
import { VoiceActivity } from '../speech/voice-activity.js';
import type { CallHearing, Hearing } from '../verbs/verb.js';
import { type AmdEvent, AmdJudge } from './judge.js';
import { hintsFor, type VoicemailHints } from './voicemail-hints.js';

/** A detection that goes on; it ends by itself when everything is found out. */
export interface AmdTask extends BackgroundTask {
  /** Resolves when nothing of it is left. */
  readonly ended: Promise<void>;
}

/** What is detected, and who hears of it. */
export interface AmdOrder {
  spec: Omit<AmdSpec, 'actionHook'>;
  endpoint: MediaEndpoint;
  /** Called in order; `amd_stopped` is the last one. An error of the recognizer is told once, and the sound listened to further. */
  onEvent(event: AmdEvent): void;
}

/** What {@link AnsweringMachines} needs of its call. */
export interface AnsweringMachinesOptions {
  hearing: CallHearing;
  hints: VoicemailHints;
  journal: Journal;
}

const SAMPLE_RATE = 8_000;
/** A greeting's words are short, and its gaps too. */
const VOICE = { sampleRate: SAMPLE_RATE, voiceMs: 120, silenceMs: 200 };

/** Finds out whether a human or a machine has answered. */
export class AnsweringMachines {
  constructor(private readonly options: AnsweringMachinesOptions) {}

  /**
   * Begins to listen. By sound alone, unless the order names a recognizer or counts digits: then also by what is said.
   *
   * @throws MediaServerError
   */
  async detect({ spec, endpoint, onEvent }: AmdOrder): Promise<AmdTask> {
    const { hearing, hints, journal } = this.options;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const judge = new AmdJudge({
      spec,
      hints: (language) => hintsFor(hints, language),
      onEvent: (event) => {
        journal.timeline.info('verb', `amd: ${event.type}${'reason' in event ? ` (${event.reason})` : ''}`, {
          ...event,
        });
        onEvent(event);
      },
      onDone: () => void close(),
    });
    const resources: (() => Promise<void> | undefined)[] = [];
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= Promise.allSettled(resources.map((giveBack) => giveBack())).then(end);
      return closing;
    };
    // It may be over before everything that it needs is there.
    const keep = (giveBack: () => Promise<void>): void => void (closing ? giveBack() : resources.push(giveBack));
    let stream: AudioStream;
    try {
      keep(await endpoint.beeps.listen((beep) => judge.beeped(beep)));
      const opened = await endpoint.tap.open({ mixType: 'mono', sampleRate: SAMPLE_RATE });
      stream = opened;
      keep(() => opened.close());
      if (spec.recognizer || spec.digitCount) {
        const ears = this.#hear(hearing, spec, endpoint, judge);
        keep(() => ears.close());
      }
    } catch (error) {
      judge.close();
      await close();
      throw error;
    }
    void follow(stream, judge).then(close);
    return {
      ended,
      stop: () => {
        judge.stop();
        return close();
      },
    };
  }

  #hear(hearing: CallHearing, spec: AmdOrder['spec'], endpoint: MediaEndpoint, judge: AmdJudge): Hearing {
    return hearing.listen({
      endpoint,
      channels: 'near',
      interim: true,
      ...(spec.recognizer && { recognizer: spec.recognizer }),
      onEvent: (event) => {
        if (event.type === 'failed') judge.unheard(event.reason);
        if (event.type !== 'heard') return;
        const { alternatives, isFinal, languageCode: language } = event.speech;
        judge.heard(alternatives[0]?.transcript ?? '', { isFinal, language });
      },
    });
  }
}

/** Tells the judge when somebody speaks, until the sound ends. Never rejects. */
async function follow(stream: AudioStream, judge: AmdJudge): Promise<void> {
  const voice = new VoiceActivity(VOICE);
  try {
    for await (const { samples } of stream) {
      for (const change of voice.feed(samples)) {
        if (change === 'start') judge.speechStarted();
        else judge.speechEnded();
      }
    }
  } finally {
    // Without sound there is nothing to be found out: the call is over, or its media.
    judge.close();
  }
}
