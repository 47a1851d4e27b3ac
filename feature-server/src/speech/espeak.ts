import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { deadline } from '@ringwire/common';
import { SynthesisError } from '../errors.js';
import { type EspeakVoices, espeakVoice, parseVoiceListing } from './espeak-voice.js';
import { Semaphore } from './semaphore.js';
import { isSsml, type SynthesisRequest, type Synthesizer } from './synthesizer.js';

/** How espeak-ng is run. */
export interface EspeakOptions {
  /** @defaultValue espeak-ng, found on PATH */
  program?: string;
  /** A run that takes longer is killed; espeak-ng speaks about a hundred times faster than real time. */
  deadlineMs?: number;
  /** Runs at the same time; more than the processors only makes all of them late. */
  concurrency?: number;
}

const WAV_HEADER_BYTES = 44;

/**
 * The vendor `espeak`: espeak-ng (GPL) as a separate program, one run per text, text on its standard input. Needs no key
 * and no network.
 */
export class EspeakSynthesizer implements Synthesizer {
  readonly vendor = 'espeak';
  readonly #program: string;
  readonly #deadlineMs: number;
  readonly #slots: Semaphore;
  #voices: EspeakVoices = { languages: new Set(), variants: new Set() };

  private constructor(options: EspeakOptions) {
    this.#program = options.program ?? 'espeak-ng';
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#slots = new Semaphore(options.concurrency ?? Math.max(2, availableParallelism()));
  }

  /**
   * Asks the installed espeak-ng what it can speak.
   * @throws SynthesisError when it is not installed.
   */
  static async open(options: EspeakOptions = {}): Promise<EspeakSynthesizer> {
    const espeak = new EspeakSynthesizer(options);
    const [languages, variants] = await Promise.all([
      espeak.#run(['--voices'], ''),
      espeak.#run(['--voices=variant'], ''),
    ]);
    espeak.#voices = {
      languages: parseVoiceListing(languages.toString('utf8')),
      variants: parseVoiceListing(variants.toString('utf8')),
    };
    return espeak;
  }

  canonical(request: SynthesisRequest): Record<string, unknown> {
    return { voice: espeakVoice(request, this.#voices), rate: readRate(request), text: request.text };
  }

  async synthesize(request: SynthesisRequest): Promise<Buffer> {
    const args = ['--stdin', '--stdout', '-v', espeakVoice(request, this.#voices)];
    const rate = readRate(request);
    if (rate !== undefined) args.push('-s', String(rate));
    if (isSsml(request.text)) args.push('-m');
    const output = await this.#slots.run(() => this.#run(args, request.text, request.signal));
    return withTrueLengths(output);
  }

  #run(args: string[], input: string, signal?: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const late = deadline(this.#deadlineMs);
      const child = spawn(this.#program, args, {
        stdio: ['pipe', 'pipe', 'pipe'],
        signal: signal ? AbortSignal.any([late, signal]) : late,
        killSignal: 'SIGKILL',
      });
      const output: Buffer[] = [];
      let complaint = '';
      child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => {
        complaint = `${complaint}${chunk.toString('utf8')}`.slice(0, 500);
      });
      child.once('error', (cause) => {
        const text = late.aborted ? `espeak-ng took longer than ${this.#deadlineMs} ms` : cause.message;
        reject(new SynthesisError(text, { program: this.#program }, { cause }));
      });
      child.once('close', (code, killedBy) => {
        if (code === 0) return resolve(Buffer.concat(output));
        reject(new SynthesisError(`espeak-ng ended with ${killedBy ?? code}: ${complaint.trim()}`, { code, killedBy }));
      });
      // espeak-ng may end before it read everything (unknown voice); its exit status says why.
      child.stdin.on('error', () => child.stdin.destroy());
      child.stdin.end(input);
    });
  }
}

/** `options.rate`: words per minute, 80 to 450, as espeak-ng's `-s` has it. */
function readRate(request: SynthesisRequest): number | undefined {
  const rate = Number(request.options?.rate);
  return Number.isFinite(rate) && rate >= 80 && rate <= 450 ? Math.round(rate) : undefined;
}

/** espeak-ng cannot know the length when it writes the header to a pipe and writes 0x7ffff000: readers need the truth. */
function withTrueLengths(wav: Buffer): Buffer {
  if (wav.length < WAV_HEADER_BYTES || wav.toString('latin1', 0, 4) !== 'RIFF') {
    throw new SynthesisError('espeak-ng wrote no WAV file', { bytes: wav.length });
  }
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.writeUInt32LE(wav.length - WAV_HEADER_BYTES, 40);
  return wav;
}
