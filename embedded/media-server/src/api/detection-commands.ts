import type { Channel } from '../channel/channel.js';
import {
  startAnsweringMachineDetection,
  startAvmd,
  startCallProgress,
  startVoiceDetection,
  stopAnsweringMachineDetection,
  stopAvmd,
  stopCallProgress,
  stopDetector,
} from '../channel/detection.js';
import { detectTone } from '../channel/detection-applications.js';
import type { ApiCommand } from './api-commands.js';
import { forChannel } from './for-channel.js';

/** Margin over the noise and least level for each of the modes of WebRTC's detector, −1 to 3. */
const MODES = [
  { marginDb: 6, minLevelDb: -50 },
  { marginDb: 7, minLevelDb: -48 },
  { marginDb: 8, minLevelDb: -46 },
  { marginDb: 10, minLevelDb: -43 },
  { marginDb: 13, minLevelDb: -40 },
] as const;

/** The commands that listen for something. */
export const DETECTION_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['uuid_vad_detect', forChannel(detectVoice)],
  ['uuid_vad_silero', forChannel(detectVoiceByProbability)],
  ['tone_detect', forChannel(tone)],
  ['spandsp_start_tone_detect', forChannel(startProgress)],
  ['spandsp_stop_tone_detect', forChannel(stopProgress)],
  ['avmd', forChannel(avmd)],
  ['uuid_amd', forChannel(answeringMachine)],
]);

const VAD_USAGE = '-USAGE: <uuid> [start|stop] [one-shot|continuous] mode silence-ms voice-ms [bugname]\n';

/** `start one-shot|continuous <mode> <silence ms> <voice ms> [bugname]`, `stop [bugname]`. */
function detectVoice(channel: Channel, [action, ...rest]: string[]): string {
  if (action === 'stop') return stopVoice(channel, rest[0] ?? 'vad_detect');
  const [strategy, mode = '2', silenceMs, voiceMs, bugname = 'vad_detect'] = rest;
  if (action !== 'start' || strategy === undefined) return VAD_USAGE;
  const level = MODES[Math.trunc(Number(mode)) + 1] ?? MODES[3];
  return startVoice(channel, { ...level, bugname, strategy, silenceMs, voiceMs, subclass: 'vad_detect:detection' });
}

/**
 * `start one-shot|continuous <threshold> <silence ms> <voice ms> <pad ms> [bugname]`, `stop [bugname]`. There is no neural network here: the
 * probability that is asked for becomes a distance from the noise, 4 to 16 dB.
 */
function detectVoiceByProbability(channel: Channel, [action, ...rest]: string[]): string {
  if (action === 'stop') return stopVoice(channel, rest[0] ?? 'vad_silero');
  const [strategy, threshold = '0.5', silenceMs, voiceMs, , bugname = 'vad_silero'] = rest;
  if (action !== 'start' || strategy === undefined) return VAD_USAGE;
  const probability = Math.min(1, Math.max(0, Number(threshold) || 0.5));
  const level = { marginDb: 4 + 12 * probability, minLevelDb: -46 };
  return startVoice(channel, { ...level, bugname, strategy, silenceMs, voiceMs, subclass: 'vad_silero:detection' });
}

interface VoiceArguments {
  bugname: string;
  subclass: 'vad_detect:detection' | 'vad_silero:detection';
  strategy: string;
  silenceMs: string | undefined;
  voiceMs: string | undefined;
  marginDb: number;
  minLevelDb: number;
}

function startVoice(channel: Channel, { strategy, silenceMs, voiceMs, ...rest }: VoiceArguments): string {
  const started = startVoiceDetection(channel, {
    ...rest,
    oneShot: strategy.toLowerCase() === 'one-shot',
    silenceMs: bounded(silenceMs, 100),
    voiceMs: bounded(voiceMs, 250),
  });
  return started ? '+OK Success\n' : '-ERR Operation Failed\n';
}

function stopVoice(channel: Channel, bugname: string): string {
  stopDetector(channel, bugname);
  return '+OK Success\n';
}

function bounded(text: string | undefined, otherwise: number): number {
  return Math.min(60_000, Math.max(20, Number(text) || otherwise));
}

function tone(channel: Channel, words: string[]): string {
  const [key, frequencies, flags = ''] = words;
  if (key === undefined || frequencies === undefined) return '';
  if (!detectTone(channel, words)) return '-ERR Invalid tone spec!\n';
  return `+OK Enabling tone detection '${key}' '${frequencies}' '${flags}'\n`;
}

function startProgress(channel: Channel, [set]: string[]): string {
  if (!set) return '-ERR missing descriptor name\n';
  return startCallProgress(channel, set) ? '+OK started\n' : '-ERR failed to start tone detector\n';
}

function stopProgress(channel: Channel): string {
  stopCallProgress(channel);
  return '+OK stopped\n';
}

function avmd(channel: Channel, [action]: string[]): string {
  const { uuid, name } = channel;
  if (action === 'start') {
    if (startAvmd(channel)) return `+OK\n [${uuid}] [${name}] started!\n\n`;
    return `-ERR, avmd for FreeSWITCH session [${uuid}]\n already started\n\n`;
  }
  if (action !== 'stop') return `-ERR, did you mean\n api avmd ${uuid} start ?\n`;
  if (stopAvmd(channel)) return `+OK\n [${uuid}] [${name}] stopped\n\n`;
  return `+ERR, avmd has not yet been started on\n [${uuid}] [${name}]\n\n`;
}

/** `start [name=value …]`, `stop`: our own command, see the README. */
function answeringMachine(channel: Channel, [action, ...options]: string[]): string {
  if (action === 'stop') return stopAnsweringMachineDetection(channel) ? '+OK Success\n' : '-ERR not running\n';
  if (action !== 'start') return '-USAGE: <uuid> start [<name>=<value> ...] | stop\n';
  const problem = startAnsweringMachineDetection(channel, options);
  return problem === undefined ? '+OK Success\n' : `-ERR ${problem}\n`;
}
