import type { LegAttachment } from '../media/media-leg.js';
import type { Side } from '../media/protocol.js';
import type { Application } from './applications.js';
import type { Channel } from './channel.js';

const DETECTORS = new WeakMap<Channel, LegAttachment<'inbandDtmf'>>();

/** Applications about DTMF. */
export const DIGIT_APPLICATIONS: ReadonlyMap<string, Application> = new Map<string, Application>([
  ['start_dtmf', (_context, channel) => startDetecting(channel)],
  ['stop_dtmf', (_context, channel) => stopDetecting(channel)],
  ['spandsp_start_dtmf', (_context, channel) => startDetecting(channel)],
  ['spandsp_stop_dtmf', (_context, channel) => stopDetecting(channel)],
  [
    'start_dtmf_generate',
    (_context, channel, argument) => setGenerating(channel, /^write$/i.test(argument.trim()) ? 'write' : 'read'),
  ],
  ['stop_dtmf_generate', (_context, channel) => setGenerating(channel, undefined)],
  ['send_dtmf', (_context, channel, argument) => void channel.digits.send(argument.trim()) as undefined],
  // As in FreeSWITCH these are digits as if they had been pressed.
  ['queue_dtmf', (_context, channel, argument) => void channel.digits.receiveDialString(argument.trim()) as undefined],
  ['flush_dtmf', (_context, channel) => channel.digits.flush() as undefined],
]);

/** Listens for digits that come as tones; a second start changes nothing. */
function startDetecting(channel: Channel): undefined {
  if (DETECTORS.has(channel)) return undefined;
  const detector = channel.leg.attach({ kind: 'inbandDtmf' }, ({ digit, durationMs }) => {
    channel.digits.receive(digit, durationMs, [], 'INBAND_AUDIO');
  });
  DETECTORS.set(channel, detector);
  return undefined;
}

function stopDetecting(channel: Channel): undefined {
  DETECTORS.get(channel)?.detach();
  DETECTORS.delete(channel);
  return undefined;
}

function setGenerating(channel: Channel, side: Side | undefined): undefined {
  channel.digits.generates = side;
  return undefined;
}
