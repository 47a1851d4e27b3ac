import type { RecordMessage, RecordMode } from '../media/attachments/recorder.js';
import type { Application } from './applications.js';
import type { Channel } from './channel.js';
import type { Execution } from './execute-queue.js';
import { splitArguments, takeTerminators } from './media-applications.js';
import {
  completionCause,
  problemHeaders,
  type Recording,
  type RecordRequest,
  recordFlag,
  recordHeaders,
  recordRequest,
  recordSetting,
  setRecordVariables,
  startRecording,
} from './recording.js';

/** Level under which FreeSWITCH takes a frame for silence when a time-out asks for that. */
const DEFAULT_SILENCE_THRESHOLD = 200;
/** Silence that ends `record` when a threshold is given without a length. */
const DEFAULT_SILENCE_SECONDS = 3;
/** Why a call ends whose recording has no file. */
const UNOPENED_CAUSE = 'DESTINATION_OUT_OF_ORDER';
const SESSION_RECORDINGS = new WeakMap<Channel, Map<string, Recording>>();

/** Applications that record. */
export const RECORD_APPLICATIONS: ReadonlyMap<string, Application> = new Map<string, Application>([
  [
    'record',
    (context, channel, argument, execution) => record(context.playlists.onProblem, channel, argument, execution),
  ],
  ['record_session', ({ playlists }, channel, argument) => startSession(playlists.onProblem, channel, argument)],
  [
    'stop_record_session',
    async (_context, channel, argument) => void (await endSessionRecording(channel, argument.trim())) as undefined,
  ],
  ['record_session_mask', tellSession({ type: 'mask', on: true })],
  ['record_session_unmask', tellSession({ type: 'mask', on: false })],
  ['record_session_pause', tellSession({ type: 'pause', on: true })],
  ['record_session_resume', tellSession({ type: 'pause', on: false })],
]);

type ProblemListener = (uuid: string, problem: string) => void;

/** The blocking `record`: `<path> [<limit s>] [<silence threshold>] [<silence s>]`. As in FreeSWITCH a file that cannot be opened ends the call. */
async function record(
  onProblem: ProblemListener,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<undefined> {
  const [, front = '', rest = ''] = /^(\s*\{[^}]*\})?(.*)$/s.exec(argument) ?? [];
  const [path = '', limit = '', threshold, seconds] = splitArguments(rest);
  const request = recordRequest(front + path);
  if (argument.trim() === '') {
    onProblem(channel.uuid, 'cannot record: no file name');
    return undefined;
  }
  channel.setVariable('playback_terminator_used', undefined);
  channel.setVariable('silence_hits_exhausted', 'false');
  const silenceThreshold = Number(threshold) || 0;
  const recording = startRecording(channel, request, {
    mode: 'read',
    limitMs: (Number(limit.replace(/^\+/, '')) || 0) * 1000,
    silenceThreshold,
    silenceMs: silenceThreshold > 0 ? (Number(seconds) || DEFAULT_SILENCE_SECONDS) * 1000 : 0,
  });
  if ('refused' in recording) {
    onProblem(channel.uuid, `cannot record ${request.path}: ${recording.refused}`);
    void channel.hangup(UNOPENED_CAUSE);
    return undefined;
  }
  execution.stop = () => recording.attachment.detach();
  const removeDigits = takeTerminators(channel, () => recording.attachment.detach());
  const headers = recordHeaders(request);
  const opened = await recording.started;
  if (opened) channel.emit('RECORD_START', headers);
  const end = await recording.ended;
  removeDigits();
  channel.digits.flush();
  execution.stop = undefined;
  if (end.problem) onProblem(channel.uuid, `cannot record ${request.path}: ${end.problem}`);
  if (end.outcome === 'silence') channel.setVariable('silence_hits_exhausted', 'true');
  setRecordVariables(channel, end);
  if (end.outcome === 'failed') channel.setVariable('record_completion_cause', 'uri-failure');
  if (opened) channel.emit('RECORD_STOP', [...headers, ...problemHeaders(end)]);
  else if (end.outcome === 'failed') void channel.hangup(UNOPENED_CAUSE);
  return undefined;
}

/**
 * Records both directions beside everything else. Resolves with false when the file cannot be opened; a second recording to the same file is none,
 * and stops the first with `RECORD_TOGGLE_ON_REPEAT`.
 */
export async function beginSessionRecording(
  channel: Channel,
  request: RecordRequest,
  limitSeconds: number,
  onProblem: ProblemListener,
): Promise<boolean> {
  const recordings = SESSION_RECORDINGS.get(channel) ?? new Map<string, Recording>();
  SESSION_RECORDINGS.set(channel, recordings);
  if (recordings.has(request.path)) {
    if (recordFlag(channel, request, 'RECORD_TOGGLE_ON_REPEAT')) await endSessionRecording(channel, request.path);
    return true;
  }
  const recording = startRecording(channel, request, sessionSpec(channel, request, limitSeconds));
  if ('refused' in recording) {
    failSession(channel, request, recording.refused, onProblem);
    return false;
  }
  recordings.set(request.path, recording);
  void recording.ended.then((end) => {
    if (recordings.get(request.path) === recording) recordings.delete(request.path);
    if (end.problem) failSession(channel, request, end.problem, onProblem);
  });
  if (!(await recording.started)) return false;
  channel.emit('RECORD_START', recordHeaders(request));
  void recording.ended.then((end) => {
    setRecordVariables(channel, end);
    const cause = completionCause(end.outcome, channel.isEnded);
    channel.setVariable('record_completion_cause', cause);
    const headers = [...recordHeaders(request), ['Record-Completion-Cause', cause] as const];
    channel.emit('RECORD_STOP', [...headers, ...problemHeaders(end)]);
  });
  return true;
}

/** Ends the session recording to that path, or all for `all`; resolves when the files are complete, with false when there is none. */
export async function endSessionRecording(channel: Channel, path: string): Promise<boolean> {
  const recordings = SESSION_RECORDINGS.get(channel);
  const paths = path.toLowerCase() === 'all' ? [...(recordings?.keys() ?? [])] : [recordRequest(path).path];
  const ended: Promise<unknown>[] = [];
  for (const each of paths) {
    const recording = recordings?.get(each);
    if (!recording) continue;
    recording.attachment.detach();
    recordings?.delete(each);
    ended.push(recording.ended);
  }
  await Promise.all(ended);
  return ended.length > 0;
}

/** Masks or pauses the session recording to that path; false when there is none. */
export function tellSessionRecording(channel: Channel, path: string, message: RecordMessage): boolean {
  const recording = SESSION_RECORDINGS.get(channel)?.get(recordRequest(path).path);
  recording?.attachment.tell(message);
  return recording !== undefined;
}

function failSession(channel: Channel, request: RecordRequest, problem: string, onProblem: ProblemListener): void {
  onProblem(channel.uuid, `cannot record ${request.path}: ${problem}`);
  channel.setVariable('record_completion_cause', 'uri-failure');
  if (recordFlag(channel, request, 'RECORD_HANGUP_ON_ERROR')) void channel.hangup(UNOPENED_CAUSE);
}

function sessionSpec(
  channel: Channel,
  request: RecordRequest,
  limitSeconds: number,
): Parameters<typeof startRecording>[2] {
  const flag = (name: string): boolean => recordFlag(channel, request, name);
  const number = (name: string): number => Math.max(0, Number(recordSetting(channel, request, name)) || 0);
  const swap = flag('RECORD_STEREO_SWAP');
  const initialSilenceMs = number('RECORD_INITIAL_TIMEOUT_MS');
  const finalSilenceMs = number('RECORD_FINAL_TIMEOUT_MS');
  return {
    mode: modeOf(flag, swap),
    swap,
    limitMs: limitSeconds * 1000,
    silenceThreshold: number('RECORD_SILENCE_THRESHOLD') || DEFAULT_SILENCE_THRESHOLD,
    silenceMs: 0,
    initialSilenceMs,
    finalSilenceMs,
    minMs: number('RECORD_MIN_SEC') * 1000,
  };
}

function modeOf(flag: (name: string) => boolean, swap: boolean): RecordMode {
  if (swap || flag('RECORD_STEREO')) return 'stereo';
  if (flag('RECORD_READ_ONLY')) return 'read';
  return flag('RECORD_WRITE_ONLY') ? 'write' : 'mixed';
}

/** `<path> [+<limit s>] [{name=value}]`. */
async function startSession(onProblem: ProblemListener, channel: Channel, argument: string): Promise<undefined> {
  const [, path = '', limit = '', brackets = ''] =
    /^((?:\{[^}]*\})?.*?)(?:\s+\+(\d+))?(?:\s+(\{.*\}))?$/s.exec(argument.trim()) ?? [];
  await beginSessionRecording(channel, recordRequest(path, brackets), Number(limit) || 0, onProblem);
  return undefined;
}

function tellSession(message: RecordMessage): Application {
  return (_context, channel, argument) => void tellSessionRecording(channel, argument.trim(), message) as undefined;
}
