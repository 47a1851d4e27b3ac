import type { Logger } from '@ringwire/common';
import { sendInDialog } from '@ringwire/common/sip/in-dialog.js';
import type Mrf from 'drachtio-fsmrf';
import { MediaServerError, PlaybackNotFoundError } from '../errors.js';
import { parseDtmfInfo } from '../sip/dtmf-info.js';
import type { AudioIntake } from './audio-intake.js';
import type { AudioTap } from './audio-streams.js';
import type { BeepDetector } from './beeps.js';
import type { ConferenceControl } from './conference.js';
import { untilAborted, within } from './deadline.js';
import type { DubControl } from './dub.js';
import { EventSocketChannel } from './event-socket-channel.js';
import type { ForkControl } from './forks.js';
import { FsmrfAudioTap } from './fsmrf-audio-tap.js';
import { FsmrfBeeps } from './fsmrf-beeps.js';
import { FsmrfConference } from './fsmrf-conference.js';
import { FsmrfDub } from './fsmrf-dub.js';
import { FsmrfForks } from './fsmrf-forks.js';
import { FsmrfKeys } from './fsmrf-keys.js';
import type { KeySender } from './keys.js';
import {
  type Digit,
  KEY_MS,
  type MediaEndpoint,
  type MediaProblem,
  type PlayOptions,
  type PlayResult,
} from './media.js';

/** The media server reads a list of files in one command; this is what stands between them, so no file may have it. */
const LIST_DELIMITER = '!';
/** The embedded media server's own event. */
export const PROBLEM_EVENT = 'ringwire::media_problem';
/** A break that came before its playback had begun does nothing; it is sent again until the playback ends. */
const BREAK_REPEAT_MS = 200;
/** After this long a playback that was told to stop is given up. */
const BREAK_DEADLINE_MS = 5_000;
/** RFC 4733 durations are in samples of 8000 Hz. */
const SAMPLES_PER_MS = 8;
const DESTROY_DEADLINE_MS = 3_000;
const MODIFY_DEADLINE_MS = 8_000;
const BRIDGE_DEADLINE_MS = 5_000;

/** A media endpoint over drachtio-fsmrf. */
export class FsmrfEndpoint implements MediaEndpoint {
  readonly #lost = new AbortController();
  /** Whom it is joined with. */
  #peer: FsmrfEndpoint | undefined;
  /** Re-INVITEs of one dialog go one after the other (RFC 3261 §14.1). */
  #modified: Promise<void> = Promise.resolve();
  readonly #lostListeners: ((reason: string) => void)[] = [];
  #isDestroyed = false;
  #localSdp: string;
  readonly #channel: EventSocketChannel;
  readonly forks: ForkControl;
  readonly conference: ConferenceControl;
  readonly tap: AudioTap;
  readonly dub: DubControl;
  readonly keys: KeySender;
  readonly beeps: BeepDetector;

  constructor(
    private readonly endpoint: Mrf.Endpoint,
    private readonly logger: Logger,
    intake: AudioIntake,
  ) {
    this.#localSdp = endpoint.local.sdp;
    this.#channel = new EventSocketChannel(endpoint, this.#lost.signal);
    this.forks = new FsmrfForks(this.#channel);
    this.conference = new FsmrfConference(this.#channel);
    this.tap = new FsmrfAudioTap(this.forks, intake, this.#lost.signal);
    this.dub = new FsmrfDub(this.#channel);
    this.keys = new FsmrfKeys(this.#channel);
    this.beeps = new FsmrfBeeps(this.#channel);
    endpoint.on('destroy', (event) => this.#onGone(event?.reason ?? 'connection closed'));
  }

  get id(): string {
    return this.endpoint.uuid;
  }

  get localSdp(): string {
    return this.#localSdp;
  }

  async play(sources: readonly string[], { signal, seekOffset }: PlayOptions): Promise<PlayResult> {
    const inRoom = this.conference.play(sources, signal);
    if (inRoom) return inRoom;
    const list = sources.map((source, index) => (index === 0 && seekOffset ? `${source}@@${seekOffset}` : source));
    const isOneCommand = !list.some((source) => source.includes(LIST_DELIMITER));
    let result: PlayResult = {};
    for (const files of isOneCommand ? [list] : list.map((source) => [source])) {
      if (signal.aborted || files.length === 0) return result;
      result = await this.#playOnce(files, signal);
    }
    return result;
  }

  onDigit(listener: (digit: Digit) => void): () => void {
    const onDtmf = ({ dtmf, duration }: { dtmf: string; duration?: string }): void => {
      const samples = Number(duration);
      listener({ key: dtmf, ...(samples > 0 && { durationMs: Math.round(samples / SAMPLES_PER_MS) }) });
    };
    this.endpoint.on('dtmf', onDtmf);
    return () => this.endpoint.off('dtmf', onDtmf);
  }

  onLost(listener: (reason: string) => void): void {
    this.#lostListeners.push(listener);
    // It may have been lost before anybody was to hear of it.
    if (this.#lost.signal.aborted && !this.#isDestroyed) setImmediate(listener, 'it was lost before it was used');
  }

  onProblem(listener: (problem: MediaProblem) => void): void {
    this.#channel.onCustom(PROBLEM_EVENT, (event) =>
      listener({ text: event.header('Problem') ?? '', isOfTrack: event.header('Problem-Of') === 'track' }),
    );
  }

  async bridge(other: MediaEndpoint): Promise<void> {
    try {
      // Without it the media server would hang this channel up together with the other.
      await this.#channel.set({ park_after_bridge: 'true' });
      await this.#channel.bridge(other.id);
      if (other instanceof FsmrfEndpoint) {
        this.#join(other);
        other.#join(this);
      }
    } catch (cause) {
      if (cause instanceof MediaServerError) throw cause;
      throw new MediaServerError(
        'endpoints were not bridged',
        { uuid: this.endpoint.uuid, other: other.id },
        { cause },
      );
    }
  }

  async unbridge(): Promise<void> {
    await this.#channel.api('uuid_transfer', [this.endpoint.uuid, '-both', 'park', 'inline']);
    if (this.#peer) this.#peer.#join(undefined);
    this.#join(undefined);
  }

  async mute(isMuted: boolean): Promise<void> {
    await this.#channel.api('uuid_audio', [this.endpoint.uuid, 'start', 'read', 'mute', isMuted ? '1' : '0']);
  }

  passKey(digit: Digit): void {
    const { key, durationMs = KEY_MS } = digit;
    const peer = this.#peer;
    this.conference.passKey(digit);
    peer?.endpoint
      .api('uuid_send_dtmf', [peer.id, `${key}@${durationMs}`])
      .catch((err: unknown) => this.logger.debug({ err, key }, 'a key was not passed on: the endpoint is gone'));
  }

  #join(peer: FsmrfEndpoint | undefined): void {
    const before = this.#peer;
    if (before && before.#peer === this) before.#peer = undefined;
    this.#peer = peer;
  }

  async outlive(): Promise<void> {
    await within(
      BRIDGE_DEADLINE_MS,
      this.endpoint.set('park_after_bridge', 'true'),
      () => this.#gone('set'),
      this.#lost.signal,
    );
  }

  async divertKeys(listener: (digit: Digit) => void): Promise<void> {
    // The media server sends them as INFO in its dialog with us.
    this.endpoint.dialog.on('info', (request, response) => {
      response.send(200);
      const digit = parseDtmfInfo(request.get('Content-Type') ?? '', request.body ?? '');
      if (digit) listener(digit);
    });
    await within(
      BRIDGE_DEADLINE_MS,
      this.endpoint.set('dtmf_type', 'info'),
      () => this.#gone('set'),
      this.#lost.signal,
    );
  }

  modify(remoteSdp: string): Promise<string> {
    const modified = this.#modified.then(() => this.#modify(remoteSdp));
    this.#modified = modified.then(
      () => undefined,
      () => undefined,
    );
    return modified;
  }

  /** Not by fsmrf's `modify`: after a refusal drachtio-srf's, which it uses, never sends another re-INVITE. */
  async #modify(remoteSdp: string): Promise<string> {
    const { dialog } = this.endpoint;
    const headers = { Contact: dialog.local.contact, 'Content-Type': 'application/sdp' };
    const limits = { lost: this.#lost.signal, deadlineMs: MODIFY_DEADLINE_MS };
    const sent = sendInDialog(dialog, { method: 'INVITE', headers, body: remoteSdp }, limits);
    const { status, reason, body } = await within(MODIFY_DEADLINE_MS, sent, () => this.#gone('re-INVITE'), limits.lost);
    if (status >= 300) throw new MediaServerError(`media server refused an offer: ${status} ${reason}`);
    this.#localSdp = body || this.#localSdp;
    return this.#localSdp;
  }

  async destroy(): Promise<void> {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#join(undefined);
    if (!this.endpoint.connected) return;
    try {
      const late = () => new MediaServerError('media server did not confirm the end of an endpoint');
      await within(DESTROY_DEADLINE_MS, this.endpoint.destroy(), late);
    } catch (err) {
      this.logger.warn({ err, uuid: this.endpoint.uuid }, 'media endpoint was not released in order');
    }
  }

  async #playOnce(files: string[], signal: AbortSignal): Promise<PlayResult> {
    const broken = new AbortController();
    let repeat: NodeJS.Timeout | undefined;
    let deadline: NodeJS.Timeout | undefined;
    const stop = (): void => {
      this.#break();
      repeat = setInterval(() => this.#break(), BREAK_REPEAT_MS);
      deadline = setTimeout(() => broken.abort(), BREAK_DEADLINE_MS);
    };
    signal.addEventListener('abort', stop, { once: true });
    const giveUp = AbortSignal.any([broken.signal, this.#lost.signal]);
    try {
      const played = await untilAborted(this.endpoint.play(files), giveUp, () => this.#gone('playback'));
      return {
        ...(played.playbackSeconds !== undefined && { playbackSeconds: played.playbackSeconds }),
        ...(played.playbackMilliseconds !== undefined && { playbackMilliseconds: played.playbackMilliseconds }),
        ...(played.playbackLastOffsetPos !== undefined && { playbackLastOffsetPos: played.playbackLastOffsetPos }),
      };
    } catch (cause) {
      // fsmrf has no error class for it: this text is its only mark.
      if (cause instanceof Error && cause.message === 'File Not Found') {
        throw new PlaybackNotFoundError(`media server cannot play ${files.join(', ')}`, { files }, { cause });
      }
      if (cause instanceof MediaServerError) throw cause;
      throw new MediaServerError('playback failed', { files }, { cause });
    } finally {
      signal.removeEventListener('abort', stop);
      clearInterval(repeat);
      clearTimeout(deadline);
    }
  }

  #break(): void {
    this.endpoint
      .api('uuid_break', [this.endpoint.uuid, 'all'])
      .catch((err: unknown) => this.logger.debug({ err }, 'playback could not be stopped: the endpoint is gone'));
  }

  #onGone(reason: string): void {
    if (this.#lost.signal.aborted) return;
    this.#lost.abort();
    if (this.#isDestroyed) return;
    for (const listener of this.#lostListeners) listener(reason);
  }

  #gone(what: string): MediaServerError {
    return new MediaServerError(`media endpoint was lost during ${what}`, { uuid: this.endpoint.uuid });
  }
}
