import { spawn } from 'node:child_process';

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { deadline, type Logger } from '@ringwire/common';
import { RecognitionError } from '../errors.js';
import { hintGrammar } from './hint-grammar.js';
import { PocketsphinxSession } from './pocketsphinx-session.js';
import type { Alternative, RecognitionEvent, RecognitionOrder, RecognitionSession, Recognizer } from './recognizer.js';
import { Semaphore } from './semaphore.js';

/** How pocketsphinx is run. */
export interface PocketsphinxOptions {
  logger: Logger;
  /** @defaultValue pocketsphinx_continuous, found on PATH */
  program?: string;
  /** Folder of the model `en-us`. @defaultValue that of Debian's package pocketsphinx-en-us */
  modelDir?: string;
  /** A run that takes longer is killed. */
  deadlineMs?: number;
  /** Runs at the same time. */
  concurrency?: number;
}

/** What is tried less often than words: pocketsphinx invents short ones in a grammar otherwise. */
const WORD_INSERTION_PENALTY = '1e-2';
const MAX_OUTPUT_CHARS = 64 * 1024;

/**
 * The vendor `pocketsphinx`: CMU Sphinx (BSD) with its model of US English as a separate program, one run per utterance. Needs no key and
 * no network. With hints it hears nothing but these, without them anything, less surely.
 */
export class Pocketsphinx implements Recognizer {
  readonly vendor = 'pocketsphinx';
  readonly #program: string;
  readonly #dictionary: string;
  readonly #deadlineMs: number;
  readonly #slots: Semaphore;
  readonly #logger: Logger;
  #words: Promise<ReadonlySet<string>> | undefined;
  #dir: Promise<string> | undefined;
  #made = 0;

  private constructor(options: PocketsphinxOptions) {
    this.#program = options.program ?? 'pocketsphinx_continuous';
    this.#dictionary = join(options.modelDir ?? '/usr/share/pocketsphinx/model/en-us', 'cmudict-en-us.dict');
    this.#deadlineMs = options.deadlineMs ?? 20_000;
    this.#slots = new Semaphore(options.concurrency ?? Math.max(2, availableParallelism()));
    this.#logger = options.logger;
  }

  /** Undefined where it is not installed: then nobody listens without a vendor's key. */
  static async open(options: PocketsphinxOptions): Promise<Pocketsphinx | undefined> {
    const sphinx = new Pocketsphinx(options);
    try {
      // Without arguments it prints them and ends with 1.
      await sphinx.#run([], { takesAnyStatus: true });
      return sphinx;
    } catch (err) {
      options.logger.info({ err }, 'pocketsphinx is not installed: speech is recognized by configured vendors only');
      return undefined;
    }
  }

  sampleRateFor(): 16000 {
    return 16000;
  }

  speaks(language: string): boolean {
    return /^en\b/i.test(language);
  }

  async open(order: RecognitionOrder, onEvent: (event: RecognitionEvent) => void): Promise<RecognitionSession> {
    const { hints, interim, spec } = order.settings;
    const grammarFile = hints.length > 0 ? await this.#grammar(hints) : undefined;
    return new PocketsphinxSession({
      interim,
      ...(spec.vad?.silenceMs !== undefined && { silenceMs: spec.vad.silenceMs }),
      recognize: (samples, signal) => this.#recognize(samples, grammarFile, signal),
      onEvent,
      onClose: async () => {
        if (grammarFile) await rm(grammarFile, { force: true });
      },
    });
  }

  /** Removes what it has written. */
  async close(): Promise<void> {
    const dir = await this.#dir;
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }

  async #grammar(hints: readonly string[]): Promise<string | undefined> {
    this.#words ??= readWords(this.#dictionary);
    const words = await this.#words;
    const { grammar, unknown } = hintGrammar(hints, (word) => words.has(word));
    if (unknown.length > 0) this.#logger.info({ unknown }, 'pocketsphinx does not know these hints');
    if (grammar === undefined) return undefined;
    const file = await this.#newFile('gram');
    await writeFile(file, grammar);
    return file;
  }

  /** What was said in one utterance; undefined: nothing that could be understood. */
  #recognize(
    samples: Int16Array,
    grammarFile: string | undefined,
    signal: AbortSignal,
  ): Promise<Alternative | undefined> {
    return this.#slots.run(async () => {
      if (signal.aborted) return undefined;
      const file = await this.#newFile('raw');
      try {
        await writeFile(file, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength));
        const grammar = grammarFile ? ['-jsgf', grammarFile, '-wip', WORD_INSERTION_PENALTY] : [];
        return readHypothesis(await this.#run(['-infile', file, '-time', 'yes', ...grammar], { signal }));
      } finally {
        await rm(file, { force: true });
      }
    }, signal);
  }

  async #newFile(extension: string): Promise<string> {
    this.#dir ??= mkdtemp(join(tmpdir(), 'ringwire-stt-'));
    this.#made += 1;
    return join(await this.#dir, `${this.#made}.${extension}`);
  }

  #run(
    args: string[],
    { signal, takesAnyStatus }: { signal?: AbortSignal; takesAnyStatus?: boolean },
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = deadline(this.#deadlineMs);
      const child = spawn(this.#program, [...args, '-logfn', '/dev/null'], {
        stdio: ['ignore', 'pipe', 'ignore'],
        signal: signal ? AbortSignal.any([late, signal]) : late,
        killSignal: 'SIGKILL',
      });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output = `${output}${chunk}`.slice(0, MAX_OUTPUT_CHARS);
      });
      child.once('error', (cause) => {
        const text = late.aborted ? `pocketsphinx took longer than ${this.#deadlineMs} ms` : cause.message;
        reject(new RecognitionError(text, { program: this.#program }, { cause }));
      });
      child.once('close', (code, killedBy) => {
        if (code === 0 || takesAnyStatus) resolve(output);
        else reject(new RecognitionError(`pocketsphinx ended with ${killedBy ?? code}`, { code, killedBy }));
      });
    });
  }
}

async function readWords(file: string): Promise<ReadonlySet<string>> {
  const words = new Set<string>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const word = /^[a-z']+(?= )/.exec(line)?.[0];
    if (word) words.add(word);
  }
  return words;
}

/**
 * Reads what the program prints with `-time yes`: each utterance's text, then a line per word with begin, end (s) and posterior
 * probability; `<sil>`, `[NOISE]` and `(NULL)` are no words, `two(2)` is a way to speak `two`.
 */
export function readHypothesis(output: string): Alternative | undefined {
  const words: string[] = [];
  let sum = 0;
  for (const line of output.split('\n')) {
    const [, word, probability] = /^([a-z'.-]+)(?:\(\d+\))? [\d.]+ [\d.]+ ([\d.]+)$/.exec(line) ?? [];
    if (word === undefined) continue;
    words.push(word);
    sum += Math.min(1, Number(probability));
  }
  if (words.length === 0) return undefined;
  return { transcript: words.join(' '), confidence: Number((sum / words.length).toFixed(3)) };
}
