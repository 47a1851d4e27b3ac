import type { SilenceWaitEvent } from '../media/attachments/silence-wait.js';
import type { Application, Response } from './applications.js';
import type { Channel } from './channel.js';
import {
  startAnsweringMachineDetection,
  startAvmd,
  startCallProgress,
  startToneDetection,
  stopAnsweringMachineDetection,
  stopAvmd,
  stopCallProgress,
  stopToneDetection,
} from './detection.js';
import type { Execution } from './execute-queue.js';
import { splitArguments } from './media-applications.js';

const FAX_CNG_HZ = 1100;
const SPANDSP_FAX = 'fax_detect';
/** A calling machine: half a second ±15 % every three (T.30 §4.3.3.3). As long as spandsp wants it; what is shorter is no fax. */
const CNG = { frequenciesHz: [FAX_CNG_HZ], minMs: 400 };
/** One that answers: 2.6 to 4 s (T.30 §4.3.3.2), with the phase turned every 450 ms where echo cancellers are to be off (V.25 §3). */
const CED = { frequenciesHz: [2100], minMs: 540, maxGapMs: 40 };

/** Applications that listen for something. */
export const DETECTION_APPLICATIONS: ReadonlyMap<string, Application> = new Map<string, Application>([
  ['tone_detect', (_context, channel, argument) => void detectTone(channel, splitArguments(argument)) as undefined],
  ['stop_tone_detect', (_context, channel) => stopToneDetection(channel) as undefined],
  ['fax_detect', (_context, channel) => detectFax(channel)],
  ['start_fax_detect', (_context, channel) => detectFax(channel)],
  ['spandsp_start_fax_detect', (_context, channel, argument) => detectSpandspFax(channel, argument)],
  ['spandsp_stop_fax_detect', (_context, channel) => stopToneDetection(channel, SPANDSP_FAX) as undefined],
  ['spandsp_start_tone_detect', (_context, channel, argument) => startProgress(channel, argument.trim())],
  ['spandsp_stop_tone_detect', (_context, channel) => stopProgress(channel)],
  ['avmd_start', (_context, channel) => void startAvmd(channel) as undefined],
  ['avmd_stop', (_context, channel) => void stopAvmd(channel) as undefined],
  ['amd_start', (_context, channel, argument) => startAmd(channel, argument)],
  ['amd_stop', (_context, channel) => void stopAnsweringMachineDetection(channel) as undefined],
  ['wait_for_silence', (_context, channel, argument, execution) => waitForSilence(channel, argument, execution)],
]);

/**
 * `<key> <frequency[,frequency…]> [r|w] [+<seconds>|<epoch>] [<app> [<argument>]] [<hits>]`: hits stands alone or after both app and
 * argument, as in FreeSWITCH. False when it cannot be done.
 */
export function detectTone(channel: Channel, words: readonly string[]): boolean {
  const [key = '', frequencies = '', flags = 'r', timeout = '', application, argument, last] = words;
  const hits = application !== undefined && argument === undefined ? application : last;
  return startToneDetection(channel, {
    key,
    frequenciesHz: frequencies.split(',').map(Number),
    side: flags.includes('w') && !flags.includes('r') ? 'write' : 'read',
    hits: Math.max(1, Math.trunc(Number(hits)) || 1),
    timeoutMs: timeoutOf(timeout),
    application: argument === undefined && /^\d+$/.test(application ?? '') ? undefined : application,
    argument,
  });
}

function timeoutOf(text: string): number {
  if (text.startsWith('+')) return Math.max(0, Number(text.slice(1)) * 1000) || 0;
  return Math.max(0, Number(text) * 1000 - Date.now()) || 0;
}

function detectFax(channel: Channel): undefined {
  startToneDetection(channel, { key: 'fax', frequenciesHz: [FAX_CNG_HZ], side: 'read', hits: 1, timeoutMs: 0 });
  return undefined;
}

/** `<app> <argument> [<timeout in seconds>] [cng|ced]`. */
function detectSpandspFax(channel: Channel, words: string): undefined {
  const [application, argument, timeout, tone] = splitArguments(words);
  if (application === undefined || argument === undefined) return undefined;
  startToneDetection(channel, {
    key: SPANDSP_FAX,
    ...(tone === 'ced' ? CED : CNG),
    side: 'read',
    hits: 1,
    timeoutMs: Math.max(0, Number(timeout) * 1000) || 0,
    application,
    argument,
    headers: [['Detected-Fax-Tone', 'true']],
    executeOn: 'execute_on_fax_detect',
  });
  return undefined;
}

function startProgress(channel: Channel, set: string): Response {
  if (set === '') return '-ERR missing descriptor name';
  return startCallProgress(channel, set) ? '+OK started' : '-ERR failed to start tone detector';
}

function stopProgress(channel: Channel): Response {
  stopCallProgress(channel);
  return '+OK stopped';
}

function startAmd(channel: Channel, argument: string): Response {
  const problem = startAnsweringMachineDetection(channel, splitArguments(argument));
  return problem === undefined ? '+OK started' : `-ERR ${problem}`;
}

/** `<threshold> <silence hits> <listen hits> <timeout in ms>`. */
async function waitForSilence(channel: Channel, argument: string, execution: Execution): Promise<Response> {
  const [threshold, silenceHits, listenHits, timeoutMs] = splitArguments(argument).map(Number);
  if (!threshold || !silenceHits || listenHits === undefined) return undefined;
  let end: SilenceWaitEvent | undefined;
  const spec = { threshold, silenceHits, listenHits: listenHits || 0, timeoutMs: timeoutMs || 0 };
  const attachment = channel.leg.attach({ kind: 'silenceWait', ...spec }, (event) => {
    end = event;
  });
  execution.stop = () => attachment.detach();
  await attachment.ended;
  execution.stop = undefined;
  if (!end) return undefined;
  channel.setVariable('wait_for_silence_timeout', String(end.timedOut));
  channel.setVariable('wait_for_silence_listenhits', String(end.listened));
  channel.setVariable('wait_for_silence_silence_hits', String(end.silenceLeft));
  return undefined;
}
