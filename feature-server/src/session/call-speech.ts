import type { SpeechClip, SpeechService, VendorFailure } from '../speech/speech-service.js';
import { ssmlPieces } from '../speech/ssml-pieces.js';
import { isSsml } from '../speech/synthesizer.js';
import { listOf } from '../verbs/quantities.js';
import type { CallSpeech, SayBody, SpeechSources } from '../verbs/verb.js';
import type { Journal } from './journal.js';
import type { SessionDefaults } from './session-defaults.js';

/** Characters per synthesis; vendors refuse or cut longer texts (jambonz: JAMBONES_SAY_CHUNK_SIZE). */
const CHUNK_CHARS = 900;

/** Of what is kept until the end of the call, older ones go: nobody listens to so much at a time. */
const MOST_KEPT = 64;

/** A piece of a `say`: text to speak, or a source that is played as it is. */
type Piece = { text: string } | { source: string };

/** What a `say` becomes: clips and sources in their order. */
type Sounds = ({ file: string; release?: undefined } | SpeechClip)[];

/** What {@link SessionSpeech} needs of its session. */
export interface SessionSpeechOptions {
  service: SpeechService;
  defaults: SessionDefaults;
  journal: Journal;
  /** Allows or refuses URLs that stand in place of a text. */
  resolveSource(url: string): Promise<string>;
  /** Tells a WebSocket application that a vendor could not speak. */
  onError(error: SpeechError): void;
  /** What a list in `text` means: all of it in order, or one of its entries (the published schema). @defaultValue all */
  listMeans?: 'all' | 'one';
  signal: AbortSignal;
}

/** `jambonz:error` about speech (compat 1.3.13). */
export interface SpeechError {
  msg: 'TTS error';
  details: string;
  failover: 'in progress' | 'not available';
  verb: 'say';
  id?: string;
}

/** One call's speech: the session's voice, and what was synthesized ahead of time. */
export class SessionSpeech implements CallSpeech {
  /** Synthesis under way or done and not yet asked for, by the verb's `say` object. */
  readonly #prepared = new Map<SayBody, Promise<Sounds>>();
  readonly #kept: (() => Promise<void>)[] = [];
  #isClosed = false;

  constructor(private readonly options: SessionSpeechOptions) {}

  textsOf(say: SayBody): string[] {
    return chosenTexts(say.text, this.options.listMeans);
  }

  async prepare(say: SayBody): Promise<void> {
    if (say.stream) return;
    const sounds = this.#speakAll(say, this.options.signal);
    this.#prepared.set(say, sounds);
    // The same promise is awaited again by sources(), where a failure is handled.
    await sounds.then(
      () => undefined,
      () => undefined,
    );
  }

  async sources(say: SayBody, signal: AbortSignal): Promise<SpeechSources> {
    const prepared = this.#prepared.get(say);
    this.#prepared.delete(say);
    const sounds = await (prepared ?? this.#speakAll(say, signal));
    return {
      files: sounds.map(({ file }) => file),
      spoken: sounds.filter((sound) => 'vendor' in sound),
      release: () => releaseAll(sounds),
    };
  }

  async trackSources(say: SayBody, signal: AbortSignal): Promise<string[]> {
    const sounds = await this.#speakAll(say, signal);
    const copies: { file: string; release?(): Promise<void> }[] = [];
    this.#kept.push(() => releaseAll(copies));
    try {
      for (const sound of sounds) {
        const isSpoken = 'vendor' in sound;
        copies.push(isSpoken ? await this.options.service.copyForTrack(sound.file) : { file: sound.file });
      }
    } finally {
      await releaseAll(sounds);
      if (this.#isClosed || this.#kept.length > MOST_KEPT) await this.#kept.shift()?.();
    }
    return copies.map(({ file }) => file);
  }

  /** Removes what was prepared and never played, and what was kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const sounds of this.#prepared.values()) await releaseAll(await sounds.catch(() => []));
    this.#prepared.clear();
    await Promise.all(this.#kept.splice(0).map((release) => release()));
  }

  async #speakAll(say: SayBody, signal: AbortSignal): Promise<Sounds> {
    const { service, defaults, journal } = this.options;
    const { settings, fallback } = defaults.voice(say.synthesizer);
    const pieces = piecesOf(this.textsOf(say));
    const sources = await Promise.all(
      pieces.map(async (piece) => ('source' in piece ? this.options.resolveSource(piece.source) : undefined)),
    );
    const texts = pieces.flatMap((piece) => ('text' in piece ? [piece.text] : []));
    const clips =
      texts.length === 0
        ? []
        : await service.speak(
            {
              texts,
              settings: { ...settings, ...(say.instructions !== undefined && { instructions: say.instructions }) },
              ...(fallback && { fallback }),
              noCache: say.disableTtsCache ?? defaults.disableTtsCache,
              signal,
              onFailure: (failure) => this.#onFailure(failure, say),
            },
            journal,
          );
    const next = clips.values();
    return sources.map((file) => (file === undefined ? (next.next().value as SpeechClip) : { file }));
  }

  #onFailure({ vendor, reason, next, isToFallback, isKnown }: VendorFailure, { id }: SayBody): void {
    // The fallback goes on speaking for this call, so that the voice does not change with every sentence (jambonz).
    if (isToFallback) this.options.defaults.usesFallbackVoice = true;
    if (isKnown) return;
    this.options.onError({
      msg: 'TTS error',
      details: `TTS vendor ${vendor} error: ${reason}`,
      failover: next === undefined ? 'not available' : 'in progress',
      verb: 'say',
      ...(id !== undefined && { id }),
    });
  }
}

async function releaseAll(sounds: readonly { release?(): Promise<void> }[]): Promise<void> {
  await Promise.all(sounds.map((sound) => sound.release?.()));
}

/** The texts of a `say`: of a list within the list one at random, or of the list itself where `listMeans` is `one`. */
export function chosenTexts(
  text: SayBody['text'],
  listMeans: 'all' | 'one' = 'all',
  random: () => number = Math.random,
): string[] {
  if (text === undefined || typeof text === 'string') return listOf(text);
  const oneOf = <T>(list: readonly T[]): T[] => list.slice(Math.floor(random() * list.length)).slice(0, 1);
  const entries = listMeans === 'one' ? oneOf(text) : text;
  return entries.flatMap((entry) => (typeof entry === 'string' ? entry : oneOf(entry)));
}

/** Splits a say's texts: URLs and silence are played as they are, long texts and SSML are cut between sentences. */
export function piecesOf(texts: readonly string[]): Piece[] {
  return texts.flatMap((text): Piece[] => {
    const trimmed = text.trim();
    if (trimmed.length === 0) return [];
    if (/^(https?|silence_stream|tone_stream):\/\/\S+$/i.test(trimmed)) return [{ source: trimmed }];
    if (isSsml(trimmed)) return ssmlPieces(trimmed, CHUNK_CHARS).map((part) => ({ text: part }));
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
