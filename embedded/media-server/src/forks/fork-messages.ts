/** What a server may ask in a text frame. */
export interface ForkRequest {
  type: string;
  /** Of the frame's `data`, what it was; undefined when there was none. */
  data: unknown;
  /** The whole frame. */
  whole: unknown;
}

/** Sound to play, from a `playAudio` frame. */
export interface PlayableAudio {
  /** `wav` has its own header. */
  encoding: 'raw' | 'wav';
  /** Of raw audio. */
  sampleRateHz: number;
  content: Buffer;
}

const RAW_RATES_HZ: readonly unknown[] = [8000, 16000, 24000, 32000, 48000, 64000];
/** What mod_audio_fork takes another rate for. */
const DEFAULT_RAW_RATE_HZ = 16000;

/** Reads a text frame; undefined when it is not JSON. A frame without a type is of type `json`, as in mod_audio_fork. */
export function readForkRequest(text: string): ForkRequest | undefined {
  try {
    const whole: unknown = JSON.parse(text);
    const object = isObject(whole) ? whole : {};
    return { type: typeof object.type === 'string' ? object.type : 'json', data: object.data, whole };
  } catch {
    return undefined;
  }
}

/** The sound of a `playAudio` frame's data; undefined when there is none that can be played. */
export function readPlayableAudio(data: Record<string, unknown>): PlayableAudio | undefined {
  const { audioContent, audioContentType, sampleRate } = data;
  if (typeof audioContent !== 'string') return undefined;
  const content = Buffer.from(audioContent, 'base64');
  if (content.length === 0) return undefined;
  if (audioContentType === 'wave' || audioContentType === 'wav') return { encoding: 'wav', sampleRateHz: 0, content };
  if (audioContentType !== 'raw') return undefined;
  const known = RAW_RATES_HZ.includes(Number(sampleRate));
  return { encoding: 'raw', sampleRateHz: known ? Number(sampleRate) : DEFAULT_RAW_RATE_HZ, content };
}

/** Whether a value of JSON has members. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whole samples of little-endian 16-bit audio that comes in pieces of any length. */
export class SampleReader {
  #odd: number | undefined;

  /** The samples that are complete with this piece. */
  read(bytes: Buffer): Int16Array {
    const all = this.#odd === undefined ? bytes : Buffer.concat([Buffer.of(this.#odd), bytes]);
    const pcm = new Int16Array(all.length >> 1);
    for (let i = 0; i < pcm.length; i++) pcm[i] = all.readInt16LE(2 * i);
    this.#odd = all.length & 1 ? all[all.length - 1] : undefined;
    return pcm;
  }
}
