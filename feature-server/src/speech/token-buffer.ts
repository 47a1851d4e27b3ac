/** Of text that waits for its sentence to be whole; more is refused until it has become less (jambonz). */
const HIGH_WATER_CHARS = 1_000;
const LOW_WATER_CHARS = 200;
/** Of one piece of speech. */
const MAX_PIECE_CHARS = 1_800;
/** After this long without new text what is there is spoken, sentence or not. */
const IDLE_MS = 1_000;
/** One message that is taken although it is above the high water, because nothing else waits. */
const MAX_PUSH_CHARS = 24_000;

/** What became of tokens; `full`: send them again after the buffer was drained. */
export type PushResult = { status: 'ok' } | { status: 'failed'; reason: string };

/** What a {@link TokenBuffer} tells its owner. */
export interface TokenBufferListener {
  /** There may be something to {@link TokenBuffer.take}. */
  onReady(): void;
  /** Tokens were refused. */
  onPaused(): void;
  /** They would be taken again. */
  onResumed(): void;
}

/** Collects text that comes in pieces of any length, and gives it out sentence by sentence. */
export class TokenBuffer {
  #text = '';
  /** So much of it, from the beginning, may go without waiting for the end of a sentence. */
  #released = 0;
  #isPaused = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(
    private readonly listener: TokenBufferListener,
    private readonly idleMs = IDLE_MS,
  ) {}

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.#text.trim() === '';
  }

  /** Adds text. */
  push(tokens: string): PushResult {
    if (tokens.length > MAX_PUSH_CHARS) return { status: 'failed', reason: `more than ${MAX_PUSH_CHARS} characters` };
    if (this.#text === '' && tokens.trim() === '') return { status: 'ok' };
    if (!this.isEmpty && this.#text.length + tokens.length > HIGH_WATER_CHARS) {
      if (!this.#isPaused) {
        this.#isPaused = true;
        this.listener.onPaused();
      }
      return { status: 'failed', reason: 'full' };
    }
    this.#text += tokens;
    this.#watch();
    this.listener.onReady();
    return { status: 'ok' };
  }

  /** What is there is complete. */
  flush(): void {
    this.#release(this.#text.length);
  }

  /**
   * Drops everything, and takes tokens again. That is not told: who clears knows it, and jambonz' client would send what it has just sent a
   * second time.
   */
  clear(): void {
    this.close();
    this.#isPaused = false;
  }

  /** The next piece to be spoken: a sentence, or what was released; undefined while there is none. */
  take(): string | undefined {
    const end = this.#pieceEnd();
    if (end === 0) return undefined;
    const piece = this.#text.slice(0, end).trim();
    this.#text = this.#text.slice(end).trimStart();
    this.#released = Math.max(0, Math.min(this.#released - end, this.#text.length));
    if (this.#text === '') clearTimeout(this.#idle);
    this.#afterLess();
    return piece === '' ? this.take() : piece;
  }

  /** Ends its timer; nothing is told any more. */
  close(): void {
    clearTimeout(this.#idle);
    this.#text = '';
    this.#released = 0;
  }

  #pieceEnd(): number {
    const sentence = sentenceEnd(this.#text);
    const end = sentence > 0 ? sentence : this.#released;
    const limit = Math.min(MAX_PIECE_CHARS, this.#text.length);
    if (end > 0) return end <= limit ? end : wordEnd(this.#text, limit);
    return this.#text.length > MAX_PIECE_CHARS ? wordEnd(this.#text, limit) : 0;
  }

  #release(chars: number): void {
    this.#released = Math.max(this.#released, chars);
    if (chars > 0) this.listener.onReady();
  }

  /** Speaks an unfinished sentence when nothing follows: first up to the last whole word, then all of it. */
  #watch(): void {
    clearTimeout(this.#idle);
    if (this.#text === '') return;
    this.#idle = setTimeout(() => {
      const words = /^[\s\S]*\s/.exec(this.#text)?.[0].length ?? 0;
      this.#release(words > 0 ? words : this.#text.length);
      this.#watch();
    }, this.idleMs);
  }

  #afterLess(): void {
    if (!this.#isPaused || this.#text.length > LOW_WATER_CHARS) return;
    this.#isPaused = false;
    this.listener.onResumed();
  }
}

/**
 * Where the first sentence of a text ends; 0 when none does. A full stop after a digit ends none where more digits may follow, nor where the
 * sentence would be the number of a list.
 */
export function sentenceEnd(text: string): number {
  for (const match of text.matchAll(/[.!?…]+["'”’)\]]*(?=\s|$)|[。！？]+|\n\s*\n/g)) {
    const end = match.index + match[0].length;
    const before = text.slice(0, match.index).trim();
    if (before === '') continue;
    const isNumber = match[0].startsWith('.') && /\d$/.test(before);
    if (isNumber && (end === text.length || /^\d+$/.test(before))) continue;
    return end;
  }
  return 0;
}

/** The end of the last whole word before the limit; the limit where there is none. */
function wordEnd(text: string, limit: number): number {
  const at = text.slice(0, limit).search(/\s\S*$/);
  return at > 0 ? at + 1 : limit;
}
