import type { Playlists } from '../files/playlists.js';
import { argumentWords } from './argument-words.js';
import type { Channel } from './channel.js';
import { matchesPattern } from './digit-pattern.js';
import type { Execution } from './execute-queue.js';
import { runInlineAfter } from './inline-dialplan.js';
import { playList } from './media-applications.js';

/** What is asked for in one prompt, as `read` has it. */
interface Question {
  min: number;
  max: number;
  /** Nothing is played for an empty one and for `silence`. */
  prompt: string;
  /** Undefined: the digits are not kept. */
  variable: string | undefined;
  timeoutMs: number;
  /** 0: as long as the first. */
  digitTimeoutMs: number;
  /** Keys that end the input. After `=` one is needed, after `+` it is part of the input, after `x` it ends all. */
  terminators: string;
}

type Status = 'success' | 'timeout' | 'tooSmall' | 'failure' | 'notFound' | 'restart';

interface Answer {
  status: Status;
  digits: string;
}

/** What a call can be asked for; FreeSWITCH's buffer. */
const MAX_DIGITS = 128;
/** FreeSWITCH waits at least so long for the first digit. */
const MIN_TIMEOUT_MS = 1000;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** More is no dialogue with a caller. */
const MAX_TRIES = 1000;

/**
 * `play_and_get_digits <min> <max> <tries> <timeout> <terminators> <file> <invalid file> [<variable> [<expression> [<digit timeout> [<transfer on
 * failure>]]]]`: asks until the input is long enough and the expression is found in it. Leaves the variable, `<variable>_invalid`, `read_result` and
 * `read_terminator_used` as FreeSWITCH does.
 */
export async function playAndGetDigits(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<undefined> {
  const words = argumentWords(argument, 11);
  if (words.length === 0) return undefined;
  const [
    min,
    max,
    tries,
    timeout,
    terminators,
    prompt = '',
    invalidFile,
    variable,
    expression,
    digitTimeout,
    transfer,
  ] = words;
  const question: Question = {
    min: Math.max(0, integer(min)),
    max: integer(max),
    prompt,
    variable,
    timeoutMs: Math.max(MIN_TIMEOUT_MS, integer(timeout)),
    digitTimeoutMs: Math.max(0, integer(digitTimeout)),
    terminators: terminators || '#',
  };
  const keepInvalid = (digits: string | undefined): void => {
    if (variable) channel.setVariable(`${variable}_invalid`, digits);
  };
  if (expression) keepInvalid(undefined);
  const most = integer(tries);
  for (let left = most < 0 ? MAX_TRIES : Math.min(most, MAX_TRIES); left > 0 && !isOver(channel, execution); left--) {
    const { status, digits } = await ask(playlists, channel, question, execution);
    if (status === 'restart') return undefined;
    if (question.min === 0 && digits === '' && channel.getVariable('read_terminator_used')) return undefined;
    if (digits !== '' && (status === 'success' || (status === 'timeout' && digits.length >= question.min))) {
      if (!expression || matchesPattern(digits, expression)) return undefined;
      if (variable) channel.setVariable(variable, undefined);
      keepInvalid(digits);
    }
    if (!isOver(channel, execution) && invalidFile) await playList(playlists, channel, invalidFile, execution);
  }
  if (transfer && !isOver(channel, execution)) runInlineAfter(channel, transfer, playlists.onProblem);
  return undefined;
}

/** `read <min> <max> <file> [<variable> [<timeout> [<terminators> [<digit timeout>]]]]`: asks once. */
export async function read(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<undefined> {
  const [min, max, prompt = '', variable, timeout, terminators, digitTimeout] = argumentWords(argument, 7);
  if (min === undefined) return undefined;
  await ask(
    playlists,
    channel,
    {
      min: Math.max(1, integer(min)),
      max: integer(max),
      prompt,
      variable,
      timeoutMs: Math.max(MIN_TIMEOUT_MS, integer(timeout)),
      digitTimeoutMs: Math.max(0, integer(digitTimeout)),
      terminators: terminators || '#',
    },
    execution,
  );
  return undefined;
}

/** Whether there is nobody to ask: the channel has ended or goes on to something else. */
function isOver(channel: Channel, execution: Execution): boolean {
  return channel.isEnded || execution.abandoned;
}

/** Asks once and sets the variables that tell of the answer. */
async function ask(playlists: Playlists, channel: Channel, wanted: Question, execution: Execution): Promise<Answer> {
  const { variable, terminators, min } = wanted;
  const question = { ...wanted, max: Math.max(wanted.max, min) };
  channel.setVariable('read_result', undefined);
  if (variable) channel.setVariable(variable, undefined);
  if (question.max > MAX_DIGITS) return { status: 'failure', digits: '' };
  const first = await promptForDigit(playlists, channel, question.prompt, execution);
  if ('status' in first) {
    if (isOver(channel, execution)) channel.setVariable('read_result', 'failure');
    return { status: first.status, digits: '' };
  }
  let { status, digits, terminator } = await collect(channel, question, first.digit, execution);
  if (terminator !== undefined) {
    channel.setVariable('read_terminator_used', terminator);
    const mode = terminators[terminators.indexOf(terminator) - 1];
    if (mode === '+' || mode === 'x') digits += terminator;
    if (mode === 'x') status = 'restart';
  } else if (terminators.startsWith('=')) {
    status = 'tooSmall';
  }
  if (digits.length < min) status = 'tooSmall';
  channel.setVariable('read_result', status === 'success' || status === 'timeout' ? status : 'failure');
  // A single key that is asked for as the prompt plays has not been looked at yet.
  const isTerminator = question.max === 1 && digits.length === 1 && terminators.includes(digits);
  if (status !== 'restart' && isTerminator) digits = '';
  if (variable && digits !== '') channel.setVariable(variable, digits);
  return { status, digits };
}

/** Plays until a key is pressed. Gives the key, empty when none was, or how it failed. */
async function promptForDigit(
  playlists: Playlists,
  channel: Channel,
  prompt: string,
  execution: Execution,
): Promise<{ digit: string } | { status: Status }> {
  if (prompt === '' || prompt.toLowerCase() === 'silence') return { digit: '' };
  let digit = '';
  let stopTaking = (): void => undefined;
  const { outcome } = await playList(playlists, channel, prompt, execution, () => {
    stopTaking = channel.digits.take((pressed) => {
      digit = pressed;
      stopTaking();
      execution.stop?.();
    });
  });
  stopTaking();
  if (isOver(channel, execution)) return { status: 'failure' };
  if (outcome === 'missing') return { status: 'notFound' };
  if (outcome === 'timeout' && digit === '') return { status: 'timeout' };
  return { digit };
}

/** Collects until there are enough, a terminator or a time-out; `digits` has what was pressed before. */
function collect(
  channel: Channel,
  { min, max, terminators, timeoutMs, digitTimeoutMs }: Question,
  first: string,
  execution: Execution,
): Promise<Answer & { terminator?: string }> {
  if (first.length >= max && first.length >= min) return Promise.resolve({ status: 'success', digits: first });
  if (first !== '' && terminators.includes(first)) {
    return Promise.resolve({ status: 'success', digits: '', terminator: first });
  }
  const betweenMs = Math.min(digitTimeoutMs || timeoutMs, MAX_TIMEOUT_MS);
  return new Promise((resolve) => {
    let digits = first;
    const finish = (status: Status, terminator?: string): void => {
      clearTimeout(timer);
      stopTaking();
      removeEnd();
      execution.stop = undefined;
      execution.leave = undefined;
      resolve({ status, digits, ...(terminator === undefined ? {} : { terminator }) });
    };
    const wait = (ms: number): NodeJS.Timeout => setTimeout(() => finish('timeout'), ms);
    let timer = wait(first === '' ? Math.min(timeoutMs, MAX_TIMEOUT_MS) : betweenMs);
    const removeEnd = channel.onEnd(() => finish('failure'));
    // A break does not end it, a transfer does.
    execution.leave = () => finish('failure');
    const stopTaking = channel.digits.take((digit) => {
      if (terminators.includes(digit)) {
        finish('success', digit);
        return;
      }
      digits += digit;
      clearTimeout(timer);
      if (digits.length >= max) finish('success');
      else timer = wait(betweenMs);
    });
  });
}

/** As C's atoi reads it. */
function integer(text: string | undefined): number {
  return Math.max(-MAX_TIMEOUT_MS, Math.min(MAX_TIMEOUT_MS, Number.parseInt(text ?? '', 10) || 0));
}
