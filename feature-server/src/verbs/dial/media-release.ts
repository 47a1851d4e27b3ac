import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DialSpec } from '@ringwire/verb-specs';
import type { CommandName, CommandResult } from '../../control/commands.js';
import type { MediaPath, NotMoved, TalkPath } from '../../session/talk-path.js';
import type { Conversation } from '../conversation.js';
import type { VerbContext } from '../verb.js';
import type { Asides } from './asides.js';

/** jambonz's time from the answer to the release: what telephones change at once is over by then. */
const RELEASE_AFTER_MS = 200;
/** Times that a release is tried which met another change. */
const TRIES = 3;

/** What cannot be done without the media server. */
const NEED_MEDIA: ReadonlySet<CommandName> = new Set<CommandName>([
  'whisper',
  'mute:status',
  'dub',
  'boostAudioSignal',
  'dtmf',
  'record',
  'config',
]);

/** Why a `dial` needs the sound at the media server all the time; undefined where it does not. */
export function needOf(ctx: VerbContext, spec: DialSpec, conversation: Conversation): string | undefined {
  const { listen, stream, transcribe, dub, amd, boostAudioSignal, dtmfCapture, dtmfHook } = spec;
  if (listen ?? stream) return 'listen';
  if (transcribe && transcribe.enable !== false) return 'transcribe';
  if (dub && dub.length > 0) return 'dub';
  if (amd) return 'amd';
  if (boostAudioSignal !== undefined) return 'boostAudioSignal';
  // Keys in RTP are seen by nobody else.
  if (dtmfCapture !== undefined && dtmfHook !== undefined) return 'dtmfCapture';
  const legs = [ctx, conversation.party.verbs?.ctx];
  const task = legs.flatMap((leg) => leg?.background.names ?? [])[0];
  if (task !== undefined) return task;
  return ctx.stream.isOpen ? 'ttsStream' : undefined;
}

/**
 * Takes the media server out of the sound of two who talk with each other, where nothing needs it, and brings it back when something does: it stays
 * then, until the application asks for another path (`media:path`). What fails leaves the sound where it is, and the timeline says why.
 */
export class MediaRelease {
  readonly #over = new AbortController();
  readonly #ends: (() => void)[];
  #path: TalkPath | undefined;
  /** Those with whom the caller talked before: what is under way there must have its end before anybody is joined with somebody else. */
  readonly #left = new Set<TalkPath>();
  /** Something has needed the media server meanwhile. */
  #stays = false;
  /** Times that something has. */
  #needs = 0;
  /** Commands that need it and are not done yet. */
  #underWay = 0;

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: DialSpec,
    private readonly conversation: Conversation,
    private readonly asides: Asides,
    private readonly isMuted: () => boolean,
  ) {
    conversation.onParty((party) => {
      const path = ctx.dial.pathWith(party);
      this.#path = path;
      return () => {
        if (path) this.#left.add(path);
      };
    });
    this.#ends = [
      ctx.commands.before(async ({ command }) => {
        if (!NEED_MEDIA.has(command)) return undefined;
        this.#underWay++;
        try {
          const goBack = await this.#anchorFor();
          return ({ ok }) => {
            this.#underWay--;
            if (!ok) goBack();
          };
        } catch (error) {
          this.#underWay--;
          throw error;
        }
      }),
      this.#take(ctx),
    ];
    conversation.onParty(({ verbs }) => (verbs ? this.#take(verbs.ctx) : () => undefined));
    const wanted = this.#wanted();
    if (wanted) void this.#releaseSoon(wanted);
  }

  /** Has the sound at the media server, where it stays. @throws MediaServerError */
  async anchor(): Promise<void> {
    this.#stays = true;
    this.#needs++;
    await this.#leaveOthers();
    await this.#path?.anchor();
  }

  /** @returns what has the sound go where it went before, if nothing else has needed the media server meanwhile: what needed it was refused */
  async #anchorFor(): Promise<() => void> {
    const path = this.#path;
    const before = path?.path ?? 'full-media';
    const stayed = this.#stays;
    const needs = this.#needs + 1;
    await this.anchor();
    return () => {
      if (needs !== this.#needs || this.#over.signal.aborted) return;
      this.#stays = stayed;
      if (before === 'full-media' || path !== this.#path) return;
      void path?.to(before, () => this.#obstacle()).then((failure) => failure && this.#tell(failure.why));
    };
  }

  /** By the sid of either leg. */
  #take(leg: VerbContext): () => void {
    return leg.commands.on('media:path', ({ path }) => this.#command(path));
  }

  /** The two do not talk any more. Resolves when nothing is under way; never rejects. */
  async end(): Promise<void> {
    this.#over.abort();
    for (const end of this.#ends) end();
    await Promise.all([...this.#left, this.#path].map((path) => path?.close()));
  }

  async #leaveOthers(): Promise<void> {
    for (const path of this.#left) {
      this.#left.delete(path);
      await path.close();
      await path.anchor();
    }
  }

  #wanted(): MediaPath | undefined {
    const { anchorMedia, exitMediaPath } = this.spec;
    if (anchorMedia) return undefined;
    if (exitMediaPath) return 'no-media';
    return anchorMedia === false || this.ctx.dial.releasesMedia ? 'partial-media' : undefined;
  }

  async #releaseSoon(wanted: MediaPath): Promise<void> {
    const { ctx, spec, conversation } = this;
    const { signal } = this.#over;
    let path = wanted;
    let waitMs = RELEASE_AFTER_MS;
    for (let left = TRIES; left > 0; left--) {
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || this.#stays || this.asides.isBusy) return;
      const need = needOf(ctx, spec, conversation);
      if (need !== undefined) {
        if (path === 'no-media') this.#tell(`${need} needs it`);
        return;
      }
      const mustStay = (): string | undefined => (this.#stays ? 'it is needed' : this.#obstacle());
      let failure = await this.#path?.to(path, mustStay);
      if (failure && path === 'no-media' && !signal.aborted && !this.#stays) {
        this.#tell(`not past the edges: ${failure.why}`);
        path = 'partial-media';
        failure = await this.#path?.to(path, mustStay);
      }
      if (!failure || signal.aborted || this.#stays) return;
      if (!failure.again || left === 1) {
        this.#tell(failure.why);
        return;
      }
      // RFC 3261 §14.1
      waitMs = randomInt(2_100, 4_001);
    }
  }

  /** Why the media server cannot be left now. */
  #obstacle(): string | undefined {
    const need = needOf(this.ctx, this.spec, this.conversation);
    if (need !== undefined) return `${need} needs the media server`;
    if (this.isMuted()) return 'who is muted would be heard';
    if (this.asides.isBusy) return 'one of the two hears something of its own';
    return this.#underWay > 0 ? 'a command needs the media server' : undefined;
  }

  async #command(path: MediaPath): Promise<CommandResult> {
    const failed = (reason: string): CommandResult => ({ ok: false, because: 'failed', reason: `${path}: ${reason}` });
    this.#stays = true;
    this.#needs++;
    await this.#leaveOthers();
    const failure: NotMoved | undefined = this.#path
      ? await this.#path.to(path, () => this.#obstacle())
      : { why: 'the sound of this call is not to be moved', again: false };
    return failure ? failed(failure.why) : { ok: true };
  }

  #tell(why: string): void {
    this.ctx.journal.timeline.info('media', `the sound stays at the media server: ${why}`);
  }
}
