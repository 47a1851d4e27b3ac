import {
  type AnsweringMachineEvent,
  type AnsweringMachineSpec,
  DEFAULT_ANSWERING_MACHINE,
} from '../media/attachments/answering-machine.js';
import type { ToneWatchSpec } from '../media/attachments/tone-watch.js';
import { CADENCE_SETS } from '../media/detectors/cadence.js';
import type { LegAttachment } from '../media/media-leg.js';
import type { Side } from '../media/protocol.js';
import type { Channel } from './channel.js';

/** FreeSWITCH watches for no more on one channel. */
const MAX_TONES = 16;
const MAX_FREQUENCIES = 16;
const MAX_DETECTORS = 64;
const TONE_PREFIX = 'tone ';

/** What of it ends and is told of. */
interface Running {
  detach(): void;
}

/** Detectors that run on each channel, by name; those of one channel go with it. */
const RUNNING = new WeakMap<Channel, Map<string, Running>>();

function runningOn(channel: Channel): Map<string, Running> {
  const running = RUNNING.get(channel) ?? new Map<string, Running>();
  RUNNING.set(channel, running);
  return running;
}

/** Keeps a detector under its name until it ends; one of that name that runs already is ended. */
function keep(channel: Channel, name: string, attachment: Running & Pick<LegAttachment, 'ended'>): void {
  const running = runningOn(channel);
  running.get(name)?.detach();
  running.set(name, attachment);
  void attachment.ended.then(() => forget(channel, name, attachment));
}

/** Lets go of a detector that is over, unless another runs under its name by now. */
function forget(channel: Channel, name: string, attachment: Running): void {
  const running = RUNNING.get(channel);
  if (running?.get(name) === attachment) running.delete(name);
}

/** Ends the detector of that name; false when there is none. */
export function stopDetector(channel: Channel, name: string): boolean {
  const running = RUNNING.get(channel)?.get(name);
  running?.detach();
  return RUNNING.get(channel)?.delete(name) ?? false;
}

/** Voice activity as `uuid_vad_detect` and `uuid_vad_silero` want it. */
export interface VoiceRequest {
  /** Name of the detector, given back in its events. */
  bugname: string;
  subclass: 'vad_detect:detection' | 'vad_silero:detection';
  oneShot: boolean;
  marginDb: number;
  minLevelDb: number;
  silenceMs: number;
  voiceMs: number;
}

/** Tells start and stop of talking in CUSTOM events; false when too many detectors run. */
export function startVoiceDetection(channel: Channel, request: VoiceRequest): boolean {
  const { bugname, subclass, ...spec } = request;
  if (runningOn(channel).size >= MAX_DETECTORS) return false;
  const attachment = channel.leg.attach({ kind: 'voiceActivity', ...spec }, ({ talking }) => {
    channel.emit('CUSTOM', [
      ['Event-Subclass', subclass],
      ['detected-event', talking ? 'start_talking' : 'stop_talking'],
      ['media-bugname', bugname],
    ]);
  });
  keep(channel, bugname, attachment);
  return true;
}

/** Tones to be told of as DETECTED_TONE. */
export interface ToneRequest {
  /** What `Detected-Tone` will say. */
  key: string;
  frequenciesHz: number[];
  side: Side;
  hits: number;
  /** How long they must last; see {@link ToneWatchSpec}. */
  minMs?: number;
  /** Longest disturbance within that. */
  maxGapMs?: number;
  /** 0 is no limit. */
  timeoutMs: number;
  /** Application to run then. */
  application?: string | undefined;
  argument?: string | undefined;
  /** More headers of the event. */
  headers?: [string, string][];
  /** Variable with an application to run. @defaultValue execute_on_tone_detect */
  executeOn?: string;
}

/** Listens for frequencies that sound together; once heard it is over. False when it cannot be done. */
export function startToneDetection(channel: Channel, request: ToneRequest): boolean {
  const { key, frequenciesHz, side, timeoutMs, minMs, maxGapMs } = request;
  const tones = [...runningOn(channel).keys()].filter((name) => name.startsWith(TONE_PREFIX));
  const name = TONE_PREFIX + key.toLowerCase();
  const usable = frequenciesHz.filter((hz) => hz > 0 && hz < 4000).slice(0, MAX_FREQUENCIES);
  if (usable.length === 0 || (tones.length >= MAX_TONES && !tones.includes(name))) return false;
  const hits = Number(channel.getVariable('tone_detect_hits')) || request.hits || 1;
  const startedMs = performance.now();
  const spec: ToneWatchSpec = {
    side,
    watch: 'tone',
    frequenciesHz: usable,
    hits,
    ...(minMs && { minMs }),
    ...(maxGapMs && { maxGapMs }),
  };
  const attachment = channel.leg.attach({ kind: 'toneWatch', ...spec }, () => {
    channel.setVariable(`tone_detect_${key}_total_time`, String(Math.round(performance.now() - startedMs)));
    channel.emit('DETECTED_TONE', [['Detected-Tone', key], ...(request.headers ?? [])]);
    runOn(channel, channel.getVariable(request.executeOn ?? 'execute_on_tone_detect'));
    if (request.application) run(channel, request.application, request.argument ?? '');
  });
  keep(channel, name, attachment);
  if (timeoutMs > 0) {
    const timer = setTimeout(() => attachment.detach(), Math.min(timeoutMs, 2 ** 31 - 1));
    void attachment.ended.then(() => clearTimeout(timer));
  }
  return true;
}

/** Ends all that {@link startToneDetection} has begun, or the one of that key. */
export function stopToneDetection(channel: Channel, key?: string): void {
  for (const name of [...runningOn(channel).keys()]) {
    if (!name.startsWith(TONE_PREFIX)) continue;
    if (key === undefined || name === TONE_PREFIX + key.toLowerCase()) stopDetector(channel, name);
  }
}

const CALL_PROGRESS = 'call progress';

/** Listens for call progress tones of a country (`1`, `44`, `49`); false when there is no such set. */
export function startCallProgress(channel: Channel, set: string): boolean {
  if (!CADENCE_SETS.has(set)) return false;
  const attachment = channel.leg.attach({ kind: 'toneWatch', side: 'read', watch: 'cadence', set }, (event) => {
    if (event.type === 'cadence') channel.emit('DETECTED_TONE', [['Detected-Tone', event.name]]);
  });
  keep(channel, CALL_PROGRESS, attachment);
  return true;
}

/** Ends {@link startCallProgress}. */
export function stopCallProgress(channel: Channel): void {
  stopDetector(channel, CALL_PROGRESS);
}

const AVMD = 'avmd';
const MICROSECONDS = 1000;

/** Starts listening for a beep, as mod_avmd does; false when it is running. */
export function startAvmd(channel: Channel, side: Side = 'read'): boolean {
  const running = runningOn(channel);
  if (running.has(AVMD)) return false;
  const startedMs = Date.now();
  let detected = false;
  emitAvmd(channel, 'avmd::start', [['Start-time', String(startedMs * MICROSECONDS)]]);
  const attachment = channel.leg.attach({ kind: 'toneWatch', side, watch: 'beep' }, (event) => {
    if (event.type !== 'beep' || detected) return;
    detected = true;
    emitAvmd(channel, 'avmd::beep', [
      ['Beep-Status', 'DETECTED'],
      ['Frequency', event.frequencyHz.toFixed(6)],
      ['Frequency-variance', '0.000000'],
      ['Amplitude', event.amplitude.toFixed(6)],
      ['Amplitude-variance', '0.000000'],
      ['Detection-time', '140000'],
      ['Detector-resolution', '0'],
      ['Detector-offset', '0'],
      ['Detector-index', '0'],
    ]);
    channel.setVariable('avmd_detect', 'TRUE');
  });
  keep(channel, AVMD, attachment);
  void attachment.ended.then(() => {
    emitAvmd(channel, 'avmd::stop', [
      ['Beep-Status', detected ? 'DETECTED' : 'NOTDETECTED'],
      ['Total-time', String((Date.now() - startedMs) * MICROSECONDS)],
    ]);
  });
  return true;
}

/** Ends {@link startAvmd}; false when it was not running. */
export function stopAvmd(channel: Channel): boolean {
  return stopDetector(channel, AVMD);
}

function emitAvmd(channel: Channel, subclass: string, headers: [string, string][]): void {
  channel.emit('CUSTOM', [['Event-Subclass', subclass], ['Call-command', 'avmd'], ...headers]);
}

const AMD = 'amd';
/** Events after which it still listens. */
const AMD_GOES_ON: ReadonlySet<AnsweringMachineEvent['type']> = new Set(['machine', 'greetingEnded']);
const AMD_OPTIONS = Object.keys(DEFAULT_ANSWERING_MACHINE) as (keyof AnsweringMachineSpec)[];
const MAX_TIMER_MS = 600_000;

/**
 * Starts answering-machine detection with `name=value` options (see {@link AnsweringMachineSpec}). Returns what is wrong with them, or
 * undefined when it runs.
 */
export function startAnsweringMachineDetection(channel: Channel, options: readonly string[]): string | undefined {
  const spec = { ...DEFAULT_ANSWERING_MACHINE };
  for (const option of options) {
    const [name = '', value = ''] = option.split('=');
    const known = AMD_OPTIONS.find((each) => each === name);
    if (!known) return `unknown option ${name}`;
    const number = Number(value);
    if (value === '' || !(number >= 0 && number <= MAX_TIMER_MS)) return `${name} must be 0…${MAX_TIMER_MS}`;
    spec[known] = number;
  }
  channel.setVariable('amd_result', undefined);
  const attachment = channel.leg.attach({ kind: 'answeringMachine', ...spec }, (event) => {
    // Whoever hears the last event may at once ask to stop it, or start it anew: before the media thread has said that it is put away.
    if (!AMD_GOES_ON.has(event.type)) forget(channel, AMD, attachment);
    tellAmd(channel, event);
  });
  keep(channel, AMD, attachment);
  return undefined;
}

/** Ends {@link startAnsweringMachineDetection}; false when it was not running. */
export function stopAnsweringMachineDetection(channel: Channel): boolean {
  return stopDetector(channel, AMD);
}

function tellAmd(channel: Channel, event: AnsweringMachineEvent): void {
  const headers: [string, string][] = [
    ['Event-Subclass', `amd::${event.type}`],
    ['AMD-Event', event.type],
    ['AMD-Time-ms', String(event.atMs)],
  ];
  if ('reason' in event) {
    headers.push(['AMD-Reason', event.reason]);
    headers.push(['AMD-Words', String(event.words)], ['AMD-Greeting-ms', String(event.greetingMs)]);
    channel.setVariable('amd_result', event.type);
  }
  if (event.type === 'beep') headers.push(['AMD-Beep-Frequency', event.frequencyHz.toFixed(1)]);
  channel.emit('CUSTOM', headers);
}

/** Runs what a variable such as `execute_on_tone_detect` says: `app arg` or `app::arg`. */
function runOn(channel: Channel, what: string | undefined): void {
  const [, application = '', argument = ''] = /^\s*([a-z_]+)(?:::|\s+)?(.*)$/is.exec(what ?? '') ?? [];
  if (application !== '') run(channel, application, argument);
}

function run(channel: Channel, application: string, argument: string): void {
  channel.execute(application, argument, { uuid: channel.uuid, lock: false });
}
