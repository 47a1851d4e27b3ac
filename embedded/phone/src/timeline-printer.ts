/** The subject of a timeline entry: chooses the colour of its line. */
export type TimelineKind = 'call' | 'sip' | 'routing' | 'media' | 'hook' | 'verb' | 'speech' | 'dtmf' | 'alert';

/** One entry of a call's timeline, as the REST API has it. */
export interface PrintableEntry {
  /** Milliseconds since the epoch. */
  at_ms: number;
  /** Milliseconds since the INVITE of the call. */
  offset_ms: number;
  kind: string;
  level: string;
  text: string;
  data?: Record<string, unknown> | null;
}

/** How timeline entries are written. */
export interface TimelinePrinterOptions {
  /** Where lines go, each closed by a line feed. */
  write: (line: string) => void;
  /** Whether to use ANSI colours. @defaultValue false */
  colour?: boolean;
}

/** Writes entries of one call in columns: seconds since the INVITE, subject, text. */
export interface TimelinePrinter {
  /** Writes one entry. */
  print(entry: PrintableEntry): void;
}

const OFFSET_WIDTH = 9;
const KIND_WIDTH = 7;
const INDENT = ' '.repeat(OFFSET_WIDTH + 2 + KIND_WIDTH + 2);
/** Longer facts are cut: a line of the terminal is for reading; the API has the whole. */
const MAX_FACTS_CHARS = 400;

const RESET = '\u001b[0m';
const DIM = '\u001b[2m';
const LEVEL_COLOUR: Readonly<Record<string, string>> = { error: '\u001b[31m', warn: '\u001b[33m' };
const KIND_COLOUR: Readonly<Record<string, string>> = {
  call: '\u001b[1m',
  sip: '\u001b[36m',
  routing: '\u001b[34m',
  media: '\u001b[35m',
  hook: '\u001b[33m',
  verb: '\u001b[32m',
  speech: '\u001b[32m',
  dtmf: '\u001b[35m',
  alert: '\u001b[31m',
};

/**
 * Makes a printer of timeline entries: one readable column layout for `npm start` and `npm run call`.
 *
 * An entry of level `error` is followed by its facts, because they name the cause.
 */
export function createTimelinePrinter({ write, colour = false }: TimelinePrinterOptions): TimelinePrinter {
  return {
    print(entry) {
      for (const line of formatTimelineEntry(entry, colour)) write(`${line}\n`);
    },
  };
}

/** The lines for one entry, without line feeds: the entry, and its facts where it names an error. */
export function formatTimelineEntry(entry: PrintableEntry, colour = false): string[] {
  const paint = (code: string | undefined, text: string): string =>
    colour && code !== undefined ? `${code}${text}${RESET}` : text;
  const offset = `${formatOffset(entry.offset_ms)} s`.padStart(OFFSET_WIDTH);
  const kind = printable(entry.kind).padEnd(KIND_WIDTH);
  const mark = entry.level === 'error' ? '✗ ' : entry.level === 'warn' ? '! ' : '';
  const text = paint(LEVEL_COLOUR[entry.level], `${mark}${printable(entry.text)}`);
  const lines = [`${paint(DIM, offset)}  ${paint(KIND_COLOUR[entry.kind], kind)}  ${text}`];
  if (entry.level === 'error' && entry.data && Object.keys(entry.data).length > 0) {
    lines.push(INDENT + paint(DIM, clip(printable(JSON.stringify(entry.data)))));
  }
  return lines;
}

function formatOffset(ms: number): string {
  // The INVITE is on the wire a moment before anybody notes the start.
  return (Number.isFinite(ms) ? Math.max(0, ms) / 1000 : 0).toFixed(3);
}

function clip(text: string): string {
  return text.length <= MAX_FACTS_CHARS ? text : `${text.slice(0, MAX_FACTS_CHARS - 1)}…`;
}

/** What a peer said must not move the cursor or change colours of somebody's terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being removed.
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
