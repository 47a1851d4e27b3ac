#!/usr/bin/env node
import { followTimeline } from './call-timeline.js';
import { type CliOptions, checkRecordFile, parseCliOptions, USAGE } from './cli-options.js';
import { UsageError } from './errors.js';
import { INSTANCE_FILE, type RunningInstance, readInstance } from './instance.js';
import type { CallResult, PhoneCall } from './phone-call.js';
import { type PlaceCallOptions, placeCall } from './place-call.js';
import { createTimelinePrinter, type PrintableEntry } from './timeline-printer.js';

/** After the end of the call its last entries may still be on their way. */
const TIMELINE_GRACE_MS = 1_500;
/** Whoever waits longer for any answer is told that the phone is still at it, and again from time to time. */
const NO_ANSWER_AFTER_MS = 2_000;
const NO_ANSWER_AGAIN_MS = 5_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const options = parseCliOptions(args);
    if (options === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    if (options.record !== undefined) await checkRecordFile(options.record);
    return await run(options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${message}\n${error instanceof UsageError ? `\n${USAGE}` : ''}`);
    return 1;
  }
}

async function run(options: CliOptions): Promise<number> {
  const isUri = /^sips?:/i.test(options.target) || options.target.includes('@');
  const instance = await instanceFor(options, isUri);
  const abort = new AbortController();
  let gaveUp: string | undefined;
  const giveUp = (why: string): void => {
    gaveUp ??= why;
    abort.abort();
  };
  const timer = setTimeout(() => giveUp(`gave up after ${options.timeoutMs / 1000} s`), options.timeoutMs);
  const interrupt = (): void => giveUp('interrupted');
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const call = await placeCall(callOptions(options, isUri ? undefined : instance, abort.signal));
    call.on('problem', (error) => giveUp(error.message));
    sayWhileSilent(call);
    const timeline = options.json ? collect(instance, call) : show(instance, call);
    const result = await call.finished;
    const entries = await timeline;
    report(options, result, entries, gaveUp);
    return gaveUp === undefined && wentWell(result) ? 0 : 1;
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Until the first response: that there is none yet. On stderr, so that what is printed for programs stays clean. */
function sayWhileSilent(call: PhoneCall): void {
  const say = (): void => {
    const seconds = Math.round((Date.now() - call.invitedAt) / 1000);
    process.stderr.write(`no answer yet after ${seconds} s …\n`);
  };
  let again: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    say();
    again = setInterval(say, NO_ANSWER_AGAIN_MS);
  }, NO_ANSWER_AFTER_MS);
  const over = (): void => {
    clearTimeout(first);
    clearInterval(again);
  };
  call.once('provisional', over).once('answered', over).once('ended', over);
}

/** A number needs the running instance; a URI can do without, then the timeline is what the phone sees itself. */
async function instanceFor({ instanceFile }: CliOptions, isUri: boolean): Promise<RunningInstance | undefined> {
  try {
    return await readInstance(instanceFile);
  } catch (error) {
    if (isUri && instanceFile === INSTANCE_FILE) return undefined;
    throw error;
  }
}

function callOptions(
  options: CliOptions,
  instance: RunningInstance | undefined,
  signal: AbortSignal,
): PlaceCallOptions {
  const { target, from, dtmf, dtmfAfterMs, sayAfterMs, play, record, hangupAfterMs, localHost } = options;
  return {
    target,
    from,
    sayAfterMs,
    signal,
    ...(instance ? { proxy: instance.sip } : {}),
    ...(dtmf === undefined ? {} : { dtmf }),
    ...(dtmfAfterMs === undefined ? {} : { dtmfAfterMs }),
    ...(play === undefined ? {} : { play }),
    ...(record === undefined ? {} : { record }),
    ...(hangupAfterMs === undefined ? {} : { hangupAfterMs }),
    ...(localHost === undefined ? {} : { localHost }),
  };
}

/** Prints the timeline live: the platform's where there is one, else what the phone itself sees. */
async function show(instance: RunningInstance | undefined, call: PhoneCall): Promise<PrintableEntry[]> {
  const printer = createTimelinePrinter({
    write: (line) => process.stdout.write(line),
    colour: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
  });
  const entries: PrintableEntry[] = [];
  const own = (text: string, level = 'info'): void => {
    const at = Date.now();
    printer.print({ at_ms: at, offset_ms: at - call.invitedAt, kind: 'sip', level, text });
  };
  const seenByPhone = (): void => {
    call.on('provisional', ({ status, reason }) => own(`${status} ${reason}`));
    call.on('answered', () => own('200 OK'));
    call.on('dtmf', ({ digit }) => own(`key ${digit} received`));
    call.on('ended', ({ status, reason, endedBy }) => own(`ended: ${endedBy}, ${status} ${reason}`));
  };
  if (!hasApi(instance)) {
    seenByPhone();
    return entries;
  }
  try {
    for await (const entry of followTimeline(instance, call.sipCallId, graceAfter(call))) {
      printer.print(entry);
      entries.push(entry);
    }
  } catch (error) {
    own(`the timeline of the platform cannot be shown: ${error instanceof Error ? error.message : error}`, 'warn');
    seenByPhone();
  }
  return entries;
}

async function collect(instance: RunningInstance | undefined, call: PhoneCall): Promise<PrintableEntry[]> {
  const entries: PrintableEntry[] = [];
  if (!hasApi(instance)) return entries;
  try {
    for await (const entry of followTimeline(instance, call.sipCallId, graceAfter(call))) entries.push(entry);
  } catch (error) {
    process.stderr.write(`no timeline: ${error instanceof Error ? error.message : error}\n`);
  }
  return entries;
}

function hasApi(instance: RunningInstance | undefined): instance is Required<RunningInstance> {
  return instance?.api !== undefined && instance.accountSid !== undefined;
}

function graceAfter(call: PhoneCall): AbortSignal {
  const abort = new AbortController();
  void call.finished.then(() => setTimeout(() => abort.abort(), TIMELINE_GRACE_MS).unref());
  return abort.signal;
}

function wentWell(result: CallResult): boolean {
  const { answeredAt, endedBy, recordError } = result;
  return answeredAt !== null && (endedBy === 'us' || endedBy === 'them') && recordError === undefined;
}

function report(options: CliOptions, result: CallResult, timeline: PrintableEntry[], gaveUp: string | undefined): void {
  const cause = causeOf(result, gaveUp);
  if (options.json) {
    const { heard, early, responses, recordError, ...facts } = result;
    const json = {
      target: options.target,
      ok: cause === undefined,
      cause,
      ...facts,
      heardMs: heard.length / 8,
      earlyMs: early.length / 8,
      timeline,
    };
    process.stdout.write(`${JSON.stringify(json)}\n`);
    return;
  }
  if (result.answeredAt !== null) process.stdout.write(summaryOf(result, result.answeredAt));
  if (options.record !== undefined && result.recordError === undefined) {
    const saved = (result.recordedMs ?? 0) > 0;
    process.stdout.write(
      saved ? `saved ${options.record}\n` : `nothing was heard: ${options.record} was not written\n`,
    );
  }
  if (cause !== undefined) process.stderr.write(`the call failed: ${cause}\n`);
}

function summaryOf(result: CallResult, answeredAt: number): string {
  const seconds = ((result.endedAt - answeredAt) / 1000).toFixed(1);
  const by = result.endedBy === 'us' ? 'this phone' : 'the other side';
  return (
    `answered after ${answeredAt - result.invitedAt} ms, ${seconds} s, ended by ${by}; ` +
    `${result.packets} packets heard, ${result.lost} lost\n`
  );
}

function causeOf(result: CallResult, gaveUp: string | undefined): string | undefined {
  if (gaveUp !== undefined) return gaveUp;
  if (result.recordError) return `the recording could not be saved: ${result.recordError.message}`;
  if (wentWell(result)) return undefined;
  if (result.endedBy === 'timeout') return 'no answer to the INVITE';
  if (result.endedBy === 'transport')
    return result.answeredAt === null ? `could not send: ${result.reason}` : 'the dialog was lost';
  const why = result.endHeaders['x-reason'] ?? result.endHeaders.reason;
  return `${result.status} ${result.reason}${why ? ` (${why})` : ''}`;
}
