import { maskText } from '@ringwire/common';
import type { CommandResult } from '../control/commands.js';
import { HookForbiddenError, PlaybackNotFoundError } from '../errors.js';
import type { ConferenceRoom, RoomMember } from '../rooms/conference-room.js';
import { listOf, loopCount, opening } from './quantities.js';
import { restOfRound } from './rounds.js';
import { tellSynthesized } from './synthesized.js';
import type { VerbContext } from './verb.js';

/** Takes the commands that have everybody in a conference hear something, while the call is a member. @returns what ends that */
export function takeRoomCommands(
  ctx: VerbContext,
  room: ConferenceRoom,
  member: RoomMember,
  during: AbortSignal,
): () => void {
  const { commands, speech, media } = ctx;
  const hear = (
    what: 'say' | 'play',
    id: string | undefined,
    replaces: boolean,
    work: (signal: AbortSignal) => Promise<void>,
  ): CommandResult => {
    const named = id === undefined ? {} : { id };
    const play = async (signal: AbortSignal): Promise<void> => {
      const isBegun = room.tell(member, `${what}-start`, named);
      try {
        await work(signal);
      } finally {
        room.tell(member, `${what}-done`, named, isBegun);
      }
    };
    const ended = room.sound.order({ play, replaces }, during);
    if (!ended) return { ok: false, because: 'wrong state', reason: 'too much waits to be heard in the conference' };
    ended.catch((error: unknown) => report(ctx, what, error, during));
    return { ok: true };
  };
  const taken = [
    commands.on('room:say', ({ say, replaces }) =>
      hear('say', say.id, replaces, async (signal) => {
        const about = { verb: 'say', ...(say.id !== undefined && { id: say.id }) };
        const { files, spoken, release } = await speech.sources(say, signal);
        tellSynthesized(ctx, about, spoken);
        try {
          for (let round = 0; round < loopCount(say.loop) && !signal.aborted; round++) {
            const startedAt = performance.now();
            await member.seat.playInRoom(files, signal);
            await restOfRound(startedAt, signal);
          }
        } finally {
          await release();
        }
      }),
    ),
    commands.on('room:play', ({ play, replaces }) =>
      hear('play', play.id, replaces, async (signal) => {
        const sources = await Promise.all(listOf(play.url).map((url) => media.resolveSource(url)));
        await member.seat.playInRoom(sources, signal);
      }),
    ),
  ];
  return () => {
    for (const release of taken) release();
  };
}

function report({ journal }: VerbContext, what: 'say' | 'play', error: unknown, during: AbortSignal): void {
  if (during.aborted) return;
  const text = error instanceof Error ? error.message : String(error);
  journal.timeline.error('media', `room:${what}: ${text}`);
  if (error instanceof PlaybackNotFoundError || error instanceof HookForbiddenError) {
    journal.alert('play-url-notfound', `audio could not be played: ${opening(maskText(text))}`);
  }
}
