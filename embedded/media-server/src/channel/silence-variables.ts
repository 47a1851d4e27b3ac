import { NO_PACKETS, SILENCE, type SilenceRules } from '../media/protocol.js';
import type { Channel } from './channel.js';
import { isTrue } from './truth.js';

const IDLE = 'send_silence_when_idle';
const BRIDGED = 'bridge_generate_comfort_noise';
/** Noise of FreeSWITCH where the first has no usable number, and of the second. */
const IDLE_DIVISOR = 400;
const BRIDGED_DIVISOR = 1400;

/** Whether a channel variable changes what is sent where there is nothing. */
export function isSilenceVariable(name: string): boolean {
  return name === IDLE || name === BRIDGED;
}

/** What the variables say, in FreeSWITCH's meaning. Without the first it sends nothing; we send silence, which keeps NATs open. */
export function silenceRulesOf(channel: Pick<Channel, 'getVariable'>): SilenceRules {
  const idle = channel.getVariable(IDLE);
  const bridged = channel.getVariable(BRIDGED);
  return {
    idle: idle === undefined ? SILENCE : idleDivisor(wholeNumber(idle)),
    bridged: bridged === undefined ? NO_PACKETS : bridgedDivisor(bridged),
  };
}

function idleDivisor(value: number): number {
  return value < 0 && value !== SILENCE ? IDLE_DIVISOR : value;
}

/** FreeSWITCH means a number to be the divisor, but takes it as true before it looks. */
function bridgedDivisor(text: string): number {
  return isTrue(text) || wholeNumber(text) !== 0 ? BRIDGED_DIVISOR : NO_PACKETS;
}

function wholeNumber(text: string): number {
  return Number.parseInt(text, 10) || 0;
}
