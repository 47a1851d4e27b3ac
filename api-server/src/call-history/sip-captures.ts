import { HttpError, type Logger } from '@ringwire/common';
import type { StoredEntry } from './call-history-store.js';
import { mergePcaps } from './merge-pcaps.js';

/** A SIP server whose last messages can be asked for: a name for people (`edge`) and the URL of its HTTP port. */
export interface CaptureSource {
  name: string;
  url: string;
}

/** The call whose messages are wanted. */
export interface CapturedCall {
  callSid: string;
  /** Call-ID of its outer leg. */
  sipCallId: string | undefined;
  /** Call-IDs of the INVITEs that it sent, see {@link legsOf}. */
  legs?: readonly string[];
  /** Ms since the epoch. Call-IDs are chosen by callers: messages far from the call's time are of another one. */
  startedAt: number;
  endedAt: number | undefined;
}

/** What SIP servers remember of calls. */
export interface SipCaptures {
  /** Whether any server can be asked. */
  readonly isConfigured: boolean;
  /** The SIP messages of a call as lines of its timeline; none where no server answers. Never rejects. */
  entriesOf(call: CapturedCall): Promise<StoredEntry[]>;
  /** The messages of a call as one pcap file. @throws HttpError 404 when none is remembered, 503 when no server answers */
  pcapOf(call: CapturedCall): Promise<Buffer>;
}

/** A message as a SIP server shows it; see the README of embedded/sip-server. */
interface Rung {
  seq: number;
  at_us: number;
  direction: 'in' | 'out';
  transport: string;
  src: string;
  dst: string;
  call_id: string;
  first_line: string;
  cseq: string;
  body_type: string | null;
  bytes: number;
}

/** A SIP server is on the same network; one that takes longer has better to do than to show messages. */
const LADDER_DEADLINE_MS = 3_000;
const PCAP_DEADLINE_MS = 5_000;
/** The INVITE comes in before anybody notes the start; last repetitions go out 64 * T1 after the end. */
const BEFORE_MS = 2_000;
const AFTER_MS = 35_000;
const MAX_LINE = 120;
/** A SIP server is asked for so many legs of a call beside its outer one (`MAX_ALSO` there). */
const MAX_LEGS = 9;

/** Reads `edge=http://127.0.0.1:9080,core=http://127.0.0.1:9081`. @throws TypeError that says what is wrong */
export function parseCaptureUrls(text: string | undefined): CaptureSource[] {
  const parts = (text ?? '').split(',').map((part) => part.trim());
  return parts
    .filter((part) => part !== '')
    .map((part) => {
      const [, name, url] = /^([\w-]+)=(https?:\/\/.+)$/.exec(part) ?? [];
      if (name === undefined || url === undefined || !URL.canParse(url)) {
        throw new TypeError(`SIP_CAPTURE_URLS: name=http://host:port, comma-separated, expected; not "${part}"`);
      }
      return { name, url: url.replace(/\/$/, '') };
    });
}

/** Asks these SIP servers. */
export function createSipCaptures(sources: readonly CaptureSource[], logger: Logger): SipCaptures {
  const ask = async (source: CaptureSource, call: CapturedCall, page: string, deadlineMs: number): Promise<Response> =>
    fetch(`${source.url}/calls/${encodeURIComponent(call.callSid)}${page}?${queryOf(call)}`, {
      signal: AbortSignal.timeout(deadlineMs),
    });
  const askAll = async <T>(
    call: CapturedCall,
    { page, deadlineMs }: { page: string; deadlineMs: number },
    read: (response: Response) => Promise<T>,
  ): Promise<Array<{ name: string; result: T | undefined }>> => {
    const answers = await Promise.allSettled(
      sources.map(async (source) => {
        const response = await ask(source, call, page, deadlineMs);
        if (response.status !== 404 && !response.ok) throw new Error(`${source.url} answers ${response.status}`);
        return { name: source.name, result: response.ok ? await read(response) : undefined };
      }),
    );
    for (const answer of answers) {
      if (answer.status === 'rejected') logger.debug({ err: answer.reason }, 'SIP messages cannot be had');
    }
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  };
  return {
    isConfigured: sources.length > 0,
    async entriesOf(call) {
      if (sources.length === 0) return [];
      const ladders = await askAll(call, { page: '', deadlineMs: LADDER_DEADLINE_MS }, async (response) => {
        return ((await response.json()) as { messages: Rung[] }).messages;
      });
      return entriesFrom(ladders.map(({ name, result }) => ({ name, rungs: result ?? [] })));
    },
    async pcapOf(call) {
      if (sources.length === 0) throw new HttpError(404, 'no SIP server whose messages are remembered is configured');
      const files = await askAll(call, { page: '/pcap', deadlineMs: PCAP_DEADLINE_MS }, async (response) => {
        return Buffer.from(await response.arrayBuffer());
      });
      if (files.length === 0) throw new HttpError(503, 'no SIP server answers, try again');
      const found = files.flatMap(({ result }) => (result === undefined ? [] : [result]));
      if (found.length === 0) throw new HttpError(404, 'no message of this call is remembered any more');
      return mergePcaps(found);
    },
  };
}

/** The Call-IDs of the INVITEs that the timeline of a call tells of (`sipCallId` of its entries of routing), the first ones. */
export function legsOf(entries: Iterable<StoredEntry>): string[] {
  const ids = new Set<string>();
  for (const { kind, data } of entries) {
    if (kind === 'routing' && typeof data?.sipCallId === 'string' && data.sipCallId !== '') ids.add(data.sipCallId);
    if (ids.size === MAX_LEGS) break;
  }
  return [...ids];
}

function queryOf({ sipCallId, legs = [], startedAt, endedAt }: CapturedCall): string {
  const query = new URLSearchParams({ since_us: String(Math.round((startedAt - BEFORE_MS) * 1000)) });
  const ids = new Set([...(sipCallId === undefined ? [] : [sipCallId]), ...legs.slice(0, MAX_LEGS)]);
  for (const id of ids) query.append('also', id);
  if (endedAt !== undefined) query.set('until_us', String(Math.round((endedAt + AFTER_MS) * 1000)));
  return query.toString();
}

/**
 * Lines of a timeline from the ladders of several servers. A message from one of them to another is in both: it is told once, as sent.
 */
export function entriesFrom(ladders: ReadonlyArray<{ name: string; rungs: readonly Rung[] }>): StoredEntry[] {
  const names = new Map<string, string>();
  for (const { name, rungs } of ladders) {
    for (const { direction, src, dst } of rungs) names.set(direction === 'in' ? dst : src, name);
  }
  const entries: StoredEntry[] = [];
  for (const { name, rungs } of ladders) {
    for (const rung of rungs) {
      const sender = names.get(rung.src);
      if (rung.direction === 'in' && sender !== undefined && sender !== name) continue;
      entries.push(entryOf(name, rung, names));
    }
  }
  return entries.sort((a, b) => a.atMs - b.atMs);
}

function entryOf(name: string, rung: Rung, names: ReadonlyMap<string, string>): StoredEntry {
  const { seq, at_us: atUs, src, dst, first_line: firstLine, cseq, transport, call_id: callId } = rung;
  return {
    eventId: `sip:${name}:${atUs}:${seq}`,
    atMs: atUs / 1000,
    kind: 'sip',
    level: 'info',
    text: `${names.get(src) ?? src} → ${names.get(dst) ?? dst}: ${labelOf(firstLine, cseq)}`,
    data: {
      ...{ wire: true, direction: rung.direction, server: name, transport, src, dst, firstLine, cseq, callId },
      ...{ bodyType: rung.body_type, bytes: rung.bytes },
    },
  };
}

/** `INVITE sip:555@example.com`, `200 OK (INVITE)`. */
function labelOf(firstLine: string, cseq: string): string {
  const response = /^SIP\/2\.0 (.*)$/.exec(firstLine);
  const label = response ? `${response[1]} (${cseq.replace(/^\d+\s+/, '')})` : firstLine.replace(/ SIP\/2\.0$/, '');
  return label.length > MAX_LINE ? `${label.slice(0, MAX_LINE - 1)}…` : label;
}
