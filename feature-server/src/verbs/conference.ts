import { conferenceChannel } from '@ringwire/common';
import type { ConferenceSpec, HookSpec } from '@ringwire/verb-specs';
import { toSpec } from '../app-client/application.js';
import type { CommandResult } from '../control/commands.js';
import {
  CONFERENCE_EVENTS,
  type ConferenceEvent,
  type ConferenceRoom,
  type Departure,
  type RoomMember,
} from '../rooms/conference-room.js';
import type { ConferencePlace } from '../rooms/conferences.js';
import { needsName, secondsToMs } from './quantities.js';
import { takeRoomCommands } from './room-commands.js';
import type { Verb, VerbContext } from './verb.js';
import { loopWaitHook, pause } from './wait-hook.js';

/** What may be heard while waiting, or on hold. */
const WAIT_VERBS = ['say', 'play', 'pause'] as const;
/** How often who waits looks for himself whether the conference has begun: what Redis tells may be missed. */
const LOOK_AGAIN_MS = 5_000;
/** A conference that is ending, or that another feature server is just losing, is looked for again so often. */
const MAX_TRIES = 5;
const TRY_AGAIN_MS = 200;
const DONE: CommandResult = { ok: true };

type Spec = ConferenceSpec;

/** Joins a conference of the account; waits for its start where it is not to begin by this. */
export const conference: Verb<ConferenceSpec> = {
  needs: () => 'media',
  describe: ({ name }) => name,
  async run(ctx, spec: Spec, signal) {
    needsName(spec.name);
    for (const limit of ['maxParticipants', 'endConferenceDuration'] as const) {
      const value = spec[limit];
      if (value !== undefined && value < 0)
        ctx.journal.timeline.warn('verb', `conference: ${limit} ${value} has no effect`);
    }
    if (spec.listen !== undefined || spec.stream !== undefined)
      ctx.journal.timeline.warn('verb', 'conference: listen has no effect, as in jambonz');
    const why = await attend(ctx, spec, signal);
    if (why === 'moved') return;
    if (signal.aborted && !ctx.call.isOver) return;
    ctx.journal.timeline.info('verb', `conference ${spec.name}: ${why ?? 'not joined'}`);
    if (ctx.call.isOver) {
      ctx.app.inform(spec, {});
      return;
    }
    if (why === 'conference ended' && spec.endHook !== undefined) {
      const verbs = (await ctx.app.ask(spec.endHook, {}, signal))?.verbs ?? [];
      await ctx.nested.run(verbs, WAIT_VERBS, signal);
    }
    await ctx.app.action(spec, {}, signal);
  },
};

/** Why the call is no member any more; undefined where it could not become one. */
async function attend(ctx: VerbContext, spec: Spec, signal: AbortSignal): Promise<Departure | 'moved' | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const room = await findRoom(ctx, spec, signal);
    if (room === 'moved' || room === undefined) return room;
    const why = await takePart(ctx, spec, room, signal);
    // One that was over before the call had joined is begun anew, or waited for.
    if (why !== undefined || !room.isClosed || signal.aborted) return why;
  }
  return undefined;
}

/** The conference, once it is begun; undefined where the call cannot get to it, or is over. */
async function findRoom(
  ctx: VerbContext,
  spec: Spec,
  signal: AbortSignal,
): Promise<ConferenceRoom | 'moved' | undefined> {
  const { conferences, accountSid } = ctx.rooms;
  const mayStart = spec.startConferenceOnEnter !== false;
  for (let tries = 0; tries < MAX_TRIES && !signal.aborted; tries++) {
    const place = mayStart
      ? await conferences.start(accountSid, spec.name, wishesOf(spec))
      : await waitForStart(ctx, spec, signal);
    if (signal.aborted) {
      if (place?.at === 'here') place.room.closeIfEmpty();
      return undefined;
    }
    if (place?.at === 'here') return place.room;
    if (place?.at === 'elsewhere') {
      const { featureServer, sipAddress } = place.host;
      ctx.journal.timeline.info('verb', `conference ${spec.name} is at another feature server (${featureServer})`);
      if (await ctx.call.move(sipAddress, spec)) return 'moved';
    }
    await pause(TRY_AGAIN_MS, signal);
  }
  return undefined;
}

/** Lets the caller hear the wait hook until somebody starts the conference. */
async function waitForStart(ctx: VerbContext, spec: Spec, signal: AbortSignal): Promise<ConferencePlace | undefined> {
  const { conferences, subscriptions, accountSid } = ctx.rooms;
  const begun = new AbortController();
  let place: ConferencePlace | undefined;
  const look = async (): Promise<void> => {
    const found = await conferences.find(accountSid, spec.name);
    if (found.at === 'nowhere') return;
    place = found;
    begun.abort();
  };
  const subscription = subscriptions.on(conferenceChannel(accountSid, spec.name), () => void look());
  const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
  const unlist = conferences.wait(accountSid, spec.name, ctx.call.callSid);
  const over = AbortSignal.any([signal, begun.signal]);
  try {
    void subscription.ready.then(look);
    await look();
    if (!over.aborted) {
      ctx.journal.timeline.info('verb', `conference ${spec.name}: waits for its start`);
      await hearWaiting(ctx, spec.waitHook, over);
    }
    return place;
  } finally {
    clearInterval(timer);
    subscription.stop();
    unlist();
  }
}

async function hearWaiting(ctx: VerbContext, waitHook: HookSpec | undefined, over: AbortSignal): Promise<void> {
  if (waitHook !== undefined) await loopWaitHook(ctx, waitHook, { payload: () => ({}), allowed: WAIT_VERBS }, over);
  else await untilAborted(over);
}

/** Joins; resolves when the call is no member any more, and why. Undefined where it was not let in. */
async function takePart(
  ctx: VerbContext,
  spec: Spec,
  room: ConferenceRoom,
  signal: AbortSignal,
): Promise<Departure | undefined> {
  const { statusHook } = spec;
  const member = await room.join({
    callSid: ctx.call.callSid,
    conference: ctx.media.endpoint().conference,
    ...(spec.memberTag !== undefined && { tag: spec.memberTag }),
    ...(spec.speakOnlyTo !== undefined && { speakOnlyTo: spec.speakOnlyTo }),
    isModerator: spec.startConferenceOnEnter === true,
    isMuted: spec.joinMuted === true,
    sharesKeys: spec.distributeDtmf === true,
    beeps: spec.beep === true,
    endsConference: spec.endConferenceOnExit === true,
    tell: (_event, facts, after) => {
      const hook = room.options.statusHook ?? statusHook;
      return hook === undefined ? after : ctx.app.tellAfter(hook, facts, after);
    },
  });
  if (!member) {
    const { maxMembers } = room.options;
    const why = room.isClosed ? 'is over' : `has its ${maxMembers} members already`;
    ctx.journal.timeline.warn('verb', `conference ${spec.name} ${why}`);
    return undefined;
  }
  const membership = new AbortController();
  const departed = member.departed.finally(() => membership.abort());
  const during = AbortSignal.any([signal, member.leaving, membership.signal]);
  const hold = new Hold(ctx, spec.waitHook, member, during);
  const untake = [takeCommands(ctx, room, member, hold), takeRoomCommands(ctx, room, member, during)];
  const leave = (): void => void member.depart('left');
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    ctx.journal.timeline.info('verb', `conference ${spec.name}: joined as member ${member.seat.memberId}`);
    await startRecording(ctx, spec, member);
    if (spec.enterHook !== undefined) await greet(ctx, spec.enterHook, during);
    return await departed;
  } finally {
    for (const release of untake) release();
    signal.removeEventListener('abort', leave);
    await member.depart('left');
    await hold.close();
  }
}

async function greet(ctx: VerbContext, enterHook: HookSpec, during: AbortSignal): Promise<void> {
  const verbs = (await ctx.app.ask(enterHook, {}, during))?.verbs ?? [];
  await ctx.nested.run(verbs, WAIT_VERBS, during);
}

/** Into a file of the media server, where the operator allows that applications name such. */
async function startRecording(ctx: VerbContext, { record }: Spec, member: RoomMember): Promise<void> {
  if (!record) return;
  try {
    const path = await ctx.media.resolveSource(record.path);
    // A relative name is one of the application's web server where files are not allowed.
    if (/^[a-z][a-z0-9+.-]*:/i.test(path)) throw new TypeError('it is recorded into a file, not a URL');
    await member.seat.record(path);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    ctx.journal.timeline.warn('verb', `conference: not recorded: ${text}`);
  }
}

/** Live call control, while the call is a member. */
function takeCommands(ctx: VerbContext, room: ConferenceRoom, member: RoomMember, hold: Hold): () => void {
  const { commands } = ctx;
  const taken = [
    commands.on('mute:status', async ({ isMuted }) => {
      await member.setMuted(isMuted);
      return DONE;
    }),
    commands.on('conf:mute-status', async ({ isMuted }) => {
      await room.muteAll(isMuted);
      return DONE;
    }),
    commands.on('conf:hold-status', async ({ isHeld, waitHook }) => {
      await hold.set(isHeld, waitHook && toSpec(waitHook));
      return DONE;
    }),
    commands.on('conf:participant-action', async ({ action, tag, waitHook }) => {
      if (action === 'tag' || action === 'untag') await member.setTag(action === 'tag' ? tag : undefined);
      else if (action === 'coach' && tag === undefined)
        return { ok: false, because: 'failed', reason: 'coach needs a tag' };
      else if (action === 'coach' || action === 'uncoach') await member.coach(action === 'coach' ? tag : undefined);
      else if (action === 'mute' || action === 'unmute') await member.setMuted(action === 'mute');
      else if (action === 'hold' || action === 'unhold')
        await hold.set(action === 'hold', waitHook && toSpec(waitHook));
      else void member.depart('kicked');
      return DONE;
    }),
  ];
  return () => {
    for (const release of taken) release();
  };
}

/** A member on hold neither hears the others nor is heard; it hears what a wait hook gives. */
class Hold {
  /** Changes, one after the other. */
  #changed: Promise<void> = Promise.resolve();
  #playing: { stop: AbortController; done: Promise<unknown> } | undefined;

  constructor(
    private readonly ctx: VerbContext,
    private readonly waitHook: HookSpec | undefined,
    private readonly member: RoomMember,
    private readonly during: AbortSignal,
  ) {}

  set(isHeld: boolean, waitHook: HookSpec | undefined): Promise<void> {
    return this.#next(() => this.#set(isHeld, waitHook));
  }

  /** Ends what is heard. */
  close(): Promise<void> {
    return this.#next(() => this.#stop());
  }

  #next(change: () => Promise<void>): Promise<void> {
    const changed = this.#changed.then(change);
    // Whoever asked for the change hears of its failure; the next one comes all the same.
    this.#changed = changed.catch(() => {});
    return changed;
  }

  async #set(isHeld: boolean, waitHook: HookSpec | undefined): Promise<void> {
    await this.#stop();
    await this.member.setOnHold(isHeld);
    const hook = waitHook ?? this.waitHook;
    if (!isHeld || hook === undefined || this.during.aborted) return;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.during, stop.signal]);
    const { journal } = this.ctx;
    const done = loopWaitHook(this.ctx, hook, { payload: () => ({}), allowed: WAIT_VERBS }, signal).catch(
      (err: unknown) => journal.log.debug({ err }, 'nothing is heard on hold: the endpoint is gone'),
    );
    this.#playing = { stop, done };
  }

  async #stop(): Promise<void> {
    const playing = this.#playing;
    this.#playing = undefined;
    playing?.stop.abort();
    await playing?.done;
  }
}

function wishesOf(spec: Spec) {
  const { maxParticipants = 0, endConferenceDuration, statusHook, statusEvents = [] } = spec;
  const tells = new Set<ConferenceEvent>(CONFERENCE_EVENTS.filter((event) => statusEvents.includes(event)));
  return {
    ...(maxParticipants > 1 && { maxMembers: Math.floor(maxParticipants) }),
    graceMs: secondsToMs(endConferenceDuration) ?? 0,
    tells,
    ...(statusHook !== undefined && { statusHook }),
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
