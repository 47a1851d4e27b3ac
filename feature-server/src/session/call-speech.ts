import type { SpeechClip, SpeechService } from '../speech/speech-service.js';
import { isSsml } from '../speech/synthesizer.js';
import { listOf } from '../verbs/quantities.js';
import type { CallSpeech, SayBody } from '../verbs/verb.js';
import type { Journal } from './journal.js';
import type { SessionDefaults } from './session-defaults.js';

/** Characters per synthesis; vendors refuse or cut longer texts (jambonz: JAMBONES_SAY_CHUNK_SIZE). */
const CHUNK_CHARS = 900;

/** A piece of a `say`: text to speak, or a source that is played as it is. */
type Piece = { text: string } | { source: string };

/** One call's speech: the session's voice, and what was synthesized ahead of time. */
export class SessionSpeech implements CallSpeech {
  /** Synthesis under way or done and not yet asked for, by the verb's `say` object. */
  readonly #prepared = new Map<SayBody, Promise<SpeechClip[]>>();

  constructor(
    private readonly options: {
      service: SpeechService;
      defaults: SessionDefaults;
      journal: Journal;
      /** Allows or refuses URLs that stand in place of a text. */
      resolveSource(url: string): Promise<string>;
      signal: AbortSignal;
    },
  ) {}

  async prepare(say: SayBody): Promise<void> {
    if (say.stream) return;
    const clips = this.#speakAll(say, this.options.signal);
    this.#prepared.set(say, clips);
    // The same promise is awaited again by sources(), where a failure is handled.
    await clips.then(
      () => undefined,
      () => undefined,
    );
  }

  async sources(say: SayBody, signal: AbortSignal): Promise<{ files: string[]; release(): Promise<void> }> {
    const prepared = this.#prepared.get(say);
    this.#prepared.delete(say);
    const clips = await (prepared ?? this.#speakAll(say, signal));
    return {
      files: clips.map(({ file }) => file),
      release: async () => {
        await Promise.all(clips.map((clip) => clip.release()));
      },
    };
  }

  /** Removes what was prepared and never played. */
  async close(): Promise<void> {
    for (const clips of this.#prepared.values()) {
      const made = await clips.catch(() => []);
      await Promise.all(made.map((clip) => clip.release()));
    }
    this.#prepared.clear();
  }

  async #speakAll(say: SayBody, signal: AbortSignal): Promise<SpeechClip[]> {
    const { service, defaults, journal } = this.options;
    const choice = defaults.voice(say.synthesizer);
    const noCache = say.disableTtsCache ?? defaults.disableTtsCache;
    return Promise.all(
      piecesOf(listOf(say.text)).map(async (piece) =>
        'source' in piece
          ? asClip(await this.options.resolveSource(piece.source))
          : service.speak({ text: piece.text, ...choice, noCache, signal }, journal),
      ),
    );
  }
}

function asClip(file: string): SpeechClip {
  return { file, vendor: 'none', cached: true, ms: 0, release: async () => {} };
}

/** Splits a say's texts: URLs and silence are played as they are, long texts are cut between sentences. */
export function piecesOf(texts: readonly string[]): Piece[] {
  return texts.flatMap((text): Piece[] => {
    const trimmed = text.trim();
    if (trimmed.length === 0) return [];
    if (/^(https?|silence_stream|tone_stream):\/\/\S+$/i.test(trimmed)) return [{ source: trimmed }];
    if (isSsml(trimmed)) return [{ text: trimmed }];
    return splitText(trimmed, CHUNK_CHARS).map((part) => ({ text: part }));
  });
}

/** Cuts at the last sentence end before the limit, else at the last space, else hard. */
export function splitText(text: string, limit: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > limit) {
    const head = rest.slice(0, limit);
    const sentence = Math.max(
      head.lastIndexOf('. '),
      head.lastIndexOf('? '),
      head.lastIndexOf('! '),
      head.lastIndexOf('\n'),
    );
    const cut = sentence > 0 ? sentence + 1 : head.lastIndexOf(' ') > 0 ? head.lastIndexOf(' ') : limit;
    parts.push(rest.slice(0, cut).trim());
    rest = rest.slice(cut).trim();
  }
  if (rest.length > 0) parts.push(rest);
  return parts;
}
