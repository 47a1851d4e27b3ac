import { setTimeout as delay } from 'node:timers/promises';
import { deadline } from '@ringwire/common';
import { type CallResult, type PhoneCall, type PrintableEntry, placeCall } from '@ringwire/phone';
import { followTimeline } from '@ringwire/phone/call-timeline.js';
import type { InstanceDescription } from './instance.js';

/** The key that the demo presses. */
export const DEMO_DIGIT = '1';

/** A call as RecentCalls shows it; only what the demo looks at. */
export interface RecentCall {
  sip_callid: string;
  answered: boolean;
  [field: string]: unknown;
}

/** Everything that is known of the demo call when it is over. */
export interface DemoOutcome {
  result: CallResult;
  entries: PrintableEntry[];
  /** Its call record, where one was found. */
  record?: RecentCall;
}

/** A call that is not over by then has gone wrong; the demo takes about twelve seconds. */
const CALL_TIMEOUT_MS = 60_000;
/** After the end, the last events are on their way from the processes to the database. */
const RECORD_TIMEOUT_MS = 5_000;
/** Samples above this are sound: about −46 dB of full scale. */
const SOUND_LEVEL = 160;
/** Silence of this length after sound is the end of the prompt; sentences pause for less. */
const PROMPT_END_MS = 900;
const SAMPLES_PER_MS = 8;
const LOOK_MS = 50;

/**
 * Calls the demo number as a carrier would, presses a key when the prompt is over, and follows the call's timeline.
 * @param onEntry - Told each entry of the timeline as it happens.
 */
export async function placeDemoCall(
  instance: InstanceDescription,
  onEntry: (entry: PrintableEntry) => void,
  signal: AbortSignal,
): Promise<DemoOutcome> {
  const over = new AbortController();
  const enough = AbortSignal.any([signal, deadline(CALL_TIMEOUT_MS)]);
  const call = await placeCall({ target: instance.sipUri, signal: enough });
  const timeline = collectTimeline(instance, call, onEntry, over.signal);
  const keys = pressKeyAfterPrompt(call, over.signal);
  const result = await call.finished;
  const record = await findRecord(instance, result.sipCallId, signal);
  await Promise.race([timeline, delay(RECORD_TIMEOUT_MS, undefined, { ref: false })]);
  over.abort();
  await keys;
  return { result, entries: await timeline, ...(record === undefined ? {} : { record }) };
}

async function collectTimeline(
  { api, accountSid, sip }: InstanceDescription,
  call: PhoneCall,
  onEntry: (entry: PrintableEntry) => void,
  signal: AbortSignal,
): Promise<PrintableEntry[]> {
  const entries: PrintableEntry[] = [];
  try {
    for await (const entry of followTimeline({ sip, api, accountSid }, call.sipCallId, signal)) {
      entries.push(entry);
      onEntry(entry);
    }
  } catch (error) {
    const text = `the timeline cannot be followed: ${error instanceof Error ? error.message : String(error)}`;
    onEntry({ at_ms: Date.now(), offset_ms: Date.now() - call.invitedAt, kind: 'alert', level: 'error', text });
  }
  return entries;
}

/** Whether the prompt is over: there was sound, and then silence for a while. */
export function promptIsOver(heard: Int16Array): boolean {
  let last = heard.length - 1;
  while (last >= 0 && Math.abs(heard[last] ?? 0) < SOUND_LEVEL) last -= 1;
  return last >= 0 && heard.length - 1 - last > PROMPT_END_MS * SAMPLES_PER_MS;
}

async function pressKeyAfterPrompt(call: PhoneCall, signal: AbortSignal): Promise<void> {
  try {
    await call.answered();
    while (!promptIsOver(call.heardSoFar())) await delay(LOOK_MS, undefined, { signal });
    await call.sendDtmf(DEMO_DIGIT);
  } catch {
    // The call has ended before; what became of it is in its result.
  }
}

async function findRecord(
  { api, accountSid }: InstanceDescription,
  sipCallId: string,
  signal: AbortSignal,
): Promise<RecentCall | undefined> {
  const url = `${api.url}/v1/Accounts/${accountSid}/RecentCalls?page=1&count=25`;
  const deadline = Date.now() + RECORD_TIMEOUT_MS;
  while (Date.now() < deadline && !signal.aborted) {
    const response = await fetch(url, { headers: { authorization: `Bearer ${api.key}` } }).catch(() => undefined);
    const body = response?.ok === true ? ((await response.json()) as { data?: RecentCall[] }) : undefined;
    const record = body?.data?.find((row) => row.sip_callid === sipCallId);
    if (record !== undefined) return record;
    await delay(LOOK_MS);
  }
  return undefined;
}

/** What was not as it should be with the demo call; empty when all was. */
export function faultsOf({ result, entries, record }: DemoOutcome): string[] {
  const faults: string[] = [];
  if (result.answeredAt === null) {
    const why = result.endHeaders['x-reason'] ?? result.endHeaders.reason;
    return [`it was not answered: ${result.endedBy}, ${result.status} ${result.reason}${why ? ` (${why})` : ''}`];
  }
  if (result.firstSoundMs === null) faults.push('nothing was heard');
  if (!entries.some(isActionHookWithDigit)) {
    faults.push(`no action hook with the digit ${DEMO_DIGIT} in its timeline (${entries.length} entries)`);
  }
  for (const { text } of entries.filter(({ level }) => level === 'error')) faults.push(`its timeline has: ${text}`);
  if (result.endedBy !== 'them') faults.push(`the application did not end it (ended by: ${result.endedBy})`);
  if (record === undefined) faults.push('no call record in RecentCalls');
  else if (record.answered !== true) faults.push('its call record does not say that it was answered');
  return faults;
}

function isActionHookWithDigit({ kind, data }: PrintableEntry): boolean {
  if (kind !== 'hook') return false;
  // Bodies may stand in the entry as objects or, when they were cut, as text.
  const text = JSON.stringify(data ?? {}).replaceAll('\\"', '"');
  return text.includes(`"digits":"${DEMO_DIGIT}"`);
}
