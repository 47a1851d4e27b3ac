import type { ApplicationContext, Response } from '../channel/applications.js';
import type { Channel } from '../channel/channel.js';
import type { Execution } from '../channel/execute-queue.js';
import { playList } from '../channel/media-applications.js';
import { isFalse } from '../channel/truth.js';
import type { Conference } from './conference.js';
import type { Conferences } from './conferences.js';
import { type JoinArguments, parseJoinArguments } from './join-arguments.js';

/** How often a wrong PIN may be entered again, and how long each time may take. */
const PIN_TRIES = 3;
const PIN_TIMEOUT_MS = 10_000;

/** That a channel is a member somewhere. */
interface Membership {
  /** Set when it is on its way to another conference. */
  next: string | undefined;
}

const MEMBERSHIPS = new WeakMap<Channel, Membership>();

/** Sends a member to another conference, which is opened when it is not there; false when it is no member of any. */
export function moveToConference(channel: Channel, name: string): boolean {
  const membership = MEMBERSHIPS.get(channel);
  if (!membership) return false;
  membership.next = name;
  channel.leg.leave();
  return true;
}

/** Takes a channel out of its conference; false when it is in none. */
export function leaveConference(channel: Channel): boolean {
  if (!MEMBERSHIPS.has(channel)) return false;
  channel.leg.leave();
  return true;
}

/** The `conference` application: `name[@profile][+pin][+flags{…}]`. Over when the channel is no member any more. */
export async function conference(
  context: ApplicationContext,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<Response> {
  const { conferences } = context;
  let wanted = parseJoinArguments(argument);
  while (wanted && !channel.isEnded && !execution.abandoned) {
    const found = conferences.get(wanted.name) ?? open(conferences, channel, wanted);
    if (!found) return undefined;
    const admission = await admit(context, found, channel, wanted, execution);
    if (!admission || channel.isEnded || execution.abandoned || found.isEnded) {
      if (found.members.size === 0) found.end();
      return undefined;
    }
    execution.leave = () => void leaveConference(channel);
    const { next, farewell } = await takePart(conferences, found, channel, wanted.flags, admission === 'moderator');
    execution.leave = undefined;
    if (farewell) await playSound(context, found, channel, farewell, execution);
    const following = next === undefined ? undefined : parseJoinArguments(next);
    wanted = following && { ...following, flags: wanted.flags };
  }
  return undefined;
}

/** Opens the conference that the first caller asks for; undefined when it may not. */
function open(
  conferences: Conferences,
  channel: Channel,
  { name, profile, flags }: JoinArguments,
): Conference | undefined {
  if (flags.has('join-only')) {
    conferences.context.bus.emit('CUSTOM', [
      ['Event-Subclass', 'conference::maintenance'],
      ...channel.basicHeaders(),
      ['Conference-Name', name],
      ['Conference-Profile-Name', profile],
      ['Action', 'rejected-join-only'],
    ]);
    if (!isFalse(channel.getVariable('hangup_after_conference'))) void channel.hangup('NORMAL_CLEARING');
    return undefined;
  }
  const conference = conferences.create(name, profile);
  if (!conference) return undefined;
  conference.sounds.holdMusic ??= channel.getVariable('conference_moh_sound');
  const maxMembers = Number(channel.getVariable('conference_max_members') ?? 0);
  if (Number.isInteger(maxMembers) && maxMembers > 1) conference.maxMembers = maxMembers;
  const grace = Number(channel.getVariable('conference_endconference_grace_time') ?? 0);
  if (Number.isInteger(grace) && grace >= 0) conference.graceSeconds = grace;
  if (flags.has('wait-mod')) conference.setWaiting(true);
  return conference;
}

/** Asks for the PIN, and refuses when the conference is locked or full. */
async function admit(
  context: ApplicationContext,
  conference: Conference,
  channel: Channel,
  { pin, flags }: JoinArguments,
  execution: Execution,
): Promise<'member' | 'moderator' | undefined> {
  const memberPin = pin || conference.pin;
  const moderatorPin = channel.getVariable('conference_moderator_pin') ?? conference.moderatorPin;
  let isModerator = flags.has('moderator');
  if ((memberPin || moderatorPin) && channel.getVariable('conference_enforce_security') !== 'false') {
    const entered = await enterPin(context, conference, channel, [memberPin, moderatorPin], execution);
    if (entered === undefined) return undefined;
    if (moderatorPin !== '' && entered === moderatorPin) isModerator = true;
  }
  const { settings } = conference;
  if (conference.isLocked) {
    await playSound(context, conference, channel, settings['locked-sound'], execution);
    return undefined;
  }
  if (conference.maxMembers > 0 && conference.size >= conference.maxMembers) {
    await playSound(context, conference, channel, settings['maxmember-sound'], execution);
    return undefined;
  }
  await playSound(context, conference, channel, settings['member-enter-sound'], execution);
  return isModerator ? 'moderator' : 'member';
}

/** Plays a sound to a channel that is no member, where there is one. */
async function playSound(
  { playlists }: ApplicationContext,
  conference: Conference,
  channel: Channel,
  file: string | undefined,
  execution: Execution,
): Promise<void> {
  if (file && !channel.isEnded) await playList(playlists, channel, conference.sounds.path(file), execution);
}

/** The PIN that the channel has as `supplied_pin` or enters by keys; undefined when it has none of those wanted. */
async function enterPin(
  { playlists }: ApplicationContext,
  conference: Conference,
  channel: Channel,
  wanted: string[],
  execution: Execution,
): Promise<string | undefined> {
  const pins = wanted.filter((pin) => pin !== '');
  const supplied = (channel.getVariable('supplied_pin') ?? '').replace(/^.*X-ConfPin=/i, '').split(';')[0]!;
  if (pins.includes(supplied)) return supplied;
  const length = Math.max(...pins.map((pin) => pin.length));
  const { settings } = conference;
  const retries = Number(settings['pin-retries'] ?? PIN_TRIES);
  const first = settings['pin-sound'] ?? 'conference/conf-pin.wav';
  const again = settings['bad-pin-sound'] ?? 'conference/conf-bad-pin.wav';
  for (let tries = 0; tries < retries && !channel.isEnded && !execution.abandoned; tries++) {
    const prompt = conference.sounds.path(tries === 0 ? first : again);
    const entered = await collect(
      channel,
      execution,
      length,
      () => void playList(playlists, channel, prompt, execution),
    );
    execution.stop?.();
    if (pins.includes(entered)) return entered;
  }
  return undefined;
}

function collect(channel: Channel, execution: Execution, length: number, prompt: () => void): Promise<string> {
  return new Promise((resolve) => {
    let digits = '';
    const finish = (): void => {
      clearTimeout(timer);
      removeDigits();
      removeEnd();
      execution.leave = undefined;
      resolve(digits);
    };
    const timer = setTimeout(finish, PIN_TIMEOUT_MS);
    const removeDigits = channel.digits.take((digit) => {
      if (digit !== '#') digits += digit;
      if (digit === '#' || digits.length >= length) finish();
    });
    const removeEnd = channel.onEnd(() => setImmediate(finish));
    execution.leave = finish;
    prompt();
  });
}

/** How a channel left a conference. */
interface Departure {
  /** The conference that it is to go to. */
  next?: string | undefined;
  /** What it is to hear before. */
  farewell?: string | undefined;
}

/** Resolves when the channel is no member any more. */
function takePart(
  conferences: Conferences,
  conference: Conference,
  channel: Channel,
  flags: ReadonlySet<string>,
  isModerator: boolean,
): Promise<Departure> {
  leaveConference(channel);
  const partner = channel.bridgedTo;
  if (partner) {
    channel.bridging.part([channel, partner]);
    partner.parking.enter();
  }
  if (conference.isEnded) return Promise.resolve({});
  return new Promise((resolve) => {
    const membership: Membership = { next: undefined };
    MEMBERSHIPS.set(channel, membership);
    conference.join(channel, conferences.memberId(channel), flags, isModerator, ({ farewell }) => {
      if (MEMBERSHIPS.get(channel) === membership) MEMBERSHIPS.delete(channel);
      resolve({ next: membership.next, farewell });
    });
  });
}
