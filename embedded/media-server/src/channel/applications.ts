import { conference } from '../conference/conference-application.js';
import type { Conferences } from '../conference/conferences.js';
import type { Playlists } from '../files/playlists.js';
import type { Channel } from './channel.js';
import { playAndGetDigits, read } from './collect-digits.js';
import { DETECTION_APPLICATIONS } from './detection-applications.js';
import { DIGIT_APPLICATIONS } from './digit-applications.js';
import type { Execution } from './execute-queue.js';
import { splitArguments, takeTerminators } from './media-applications.js';
import { PLAY_APPLICATIONS } from './play-applications.js';
import { RECORD_APPLICATIONS } from './record-applications.js';
import { isTrue } from './truth.js';

/** What applications need of the server. */
export interface ApplicationContext {
  playlists: Playlists;
  conferences: Conferences;
  /** Told of an application that this server does not have. */
  onUnknown: (application: string, channel: Channel) => void;
  /** Told of an application that failed in a way it does not foresee. */
  onFailed: (application: string, channel: Channel, error: unknown) => void;
}

/** What an application leaves as its response: `Application-Response` of CHANNEL_EXECUTE_COMPLETE, `_none_` when undefined. */
export type Response = string | undefined;

/** Runs one application on a channel; resolves when it is over. `execution.stop` is set to what breaks it. */
export type Application = (
  context: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
) => Response | Promise<Response>;

const nothing = (): undefined => undefined;

const BASIC_APPLICATIONS: ReadonlyMap<string, Application> = new Map<string, Application>([
  ['answer', (_context, channel) => channel.answer() as undefined],
  ['pre_answer', (_context, channel) => channel.preAnswer() as undefined],
  ['ring_ready', (_context, channel) => channel.ring() as undefined],
  // It waits already: who does not is parked by the queue of applications.
  ['park', nothing],
  ['log', nothing],
  ['info', nothing],
  // Real media servers have these applications; without a speech engine or phrases they end without a sound.
  ['say', nothing],
  ['speak', nothing],
  [
    'play_and_get_digits',
    ({ playlists }, channel, argument, run) => playAndGetDigits(playlists, channel, argument, run),
  ],
  ['read', ({ playlists }, channel, argument, run) => read(playlists, channel, argument, run)],
  ['sleep', (_context, channel, argument, execution) => sleep(channel, Number(argument) || 0, execution)],
  ['set', (_context, channel, argument) => assign(channel, argument)],
  ['unset', (_context, channel, argument) => channel.setVariable(argument.trim(), undefined) as undefined],
  ['multiset', (_context, channel, argument) => assignAll(channel, argument)],
  ['multiunset', (_context, channel, argument) => unsetAll(channel, argument)],
  ['export', (_context, channel, argument) => exportVariable(channel, argument)],
  ['set_mute', (_context, channel, argument) => mute(channel, argument)],
  ['break', (_context, channel, _argument, execution) => channel.executing.breakNow(false, execution) as undefined],
  ['event', (_context, channel, argument) => fireEvent(channel, argument)],
  ['hangup', (_context, channel, argument) => void channel.hangup(argument || 'NORMAL_CLEARING') as undefined],
]);

/** All applications. To add some: a file beside this one with such a map, and its name here; no name may stand in two. */
const APPLICATIONS: ReadonlyMap<string, Application> = new Map([
  ...BASIC_APPLICATIONS,
  ...PLAY_APPLICATIONS,
  ...RECORD_APPLICATIONS,
  ...DIGIT_APPLICATIONS,
  ...DETECTION_APPLICATIONS,
  ['conference', conference],
]);

/** Before an answer these begin with early media, as in FreeSWITCH. */
const NEED_MEDIA = new Set([
  'playback',
  'endless_playback',
  'loop_playback',
  'gentones',
  'record',
  'play_and_get_digits',
  'read',
  'send_dtmf',
  'wait_for_silence',
]);

/** Runs an application by name. An unknown one hangs up the channel, as in FreeSWITCH. */
export function createApplicationRunner(
  context: ApplicationContext,
): (channel: Channel, argument: string, execution: Execution) => Promise<Response> {
  return async (channel, argument, execution) => {
    const application = APPLICATIONS.get(execution.application);
    if (!application) {
      context.onUnknown(execution.application, channel);
      void channel.hangup('DESTINATION_OUT_OF_ORDER');
      return undefined;
    }
    if (channel.isEnded) return undefined;
    if (NEED_MEDIA.has(execution.application)) channel.preAnswer();
    else if (execution.application === 'conference') channel.answer();
    try {
      return await application(context, channel, argument, execution);
    } catch (error) {
      context.onFailed(execution.application, channel, error);
      return undefined;
    }
  };
}

/** A key ends it, and waits for the next that takes some; with `sleep_eat_digits` keys are taken, and one of `playback_terminators` ends it. */
function sleep(channel: Channel, ms: number, execution: Execution): Promise<Response> {
  const takes = isTrue(channel.getVariable('sleep_eat_digits'));
  if (takes) channel.setVariable('playback_terminator_used', undefined);
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      removeEnd();
      removeDigits();
      execution.stop = undefined;
      resolve(undefined);
    };
    const timer = setTimeout(finish, Math.min(Math.max(ms, 0), 2 ** 31 - 1));
    execution.stop = finish;
    const removeEnd = channel.onEnd(finish);
    const removeDigits = takes
      ? takeTerminators(channel, finish)
      : channel.digits.onWaiting(() => setImmediate(finish));
  });
}

function assign(channel: Channel, assignment: string): undefined {
  const equals = assignment.indexOf('=');
  if (equals < 0) channel.setVariable(assignment.trim(), undefined);
  else channel.setVariable(assignment.slice(0, equals).trim(), assignment.slice(equals + 1));
  return undefined;
}

/** `a=1 b=2`, or `^^<delimiter>a=1<delimiter>b=2`. */
export function assignAll(channel: Channel, argument: string): undefined {
  const custom = argument.startsWith('^^') ? argument[2] : undefined;
  const assignments = custom ? argument.slice(3).split(custom) : splitArguments(argument);
  for (const assignment of assignments) if (assignment !== '') assign(channel, assignment);
  return undefined;
}

function unsetAll(channel: Channel, argument: string): undefined {
  const custom = argument.startsWith('^^') ? argument[2] : undefined;
  const names = custom ? argument.slice(3).split(custom) : splitArguments(argument);
  for (const name of names) channel.setVariable(name, undefined);
  return undefined;
}

function exportVariable(channel: Channel, argument: string): undefined {
  const assignment = argument.replace(/^nolocal:/, '');
  assign(channel, assignment);
  const name = assignment.split('=')[0]!.trim();
  const exported = new Set((channel.getVariable('export_vars') ?? '').split(',').filter(Boolean));
  if (name) channel.setVariable('export_vars', [...exported.add(name)].join(','));
  return undefined;
}

/** `set_mute read true`: `read` is what the peer says, `write` what it hears. */
function mute(channel: Channel, argument: string): undefined {
  const [side, level = ''] = splitArguments(argument);
  const on = /^(true|yes|on)$/i.test(level) || Number(level) > 0;
  if (side === 'read' || side === 'both') channel.leg.mute('read', on);
  if (side === 'write' || side === 'both') channel.leg.mute('write', on);
  return undefined;
}

/** `Event-Name=CUSTOM,Event-Subclass=a::b,Some-Header=x`. */
function fireEvent(channel: Channel, argument: string): undefined {
  const headers = argument.split(',').flatMap((pair): [string, string][] => {
    const equals = pair.indexOf('=');
    return equals > 0 ? [[pair.slice(0, equals).trim(), pair.slice(equals + 1)]] : [];
  });
  const name = headers.find(([key]) => key === 'Event-Name')?.[1] ?? 'CHANNEL_APPLICATION';
  channel.emit(
    name,
    headers.filter(([key]) => key !== 'Event-Name'),
  );
  return undefined;
}
