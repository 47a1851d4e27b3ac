import { MediaServerError } from '../errors.js';
import type { AudioIntake } from './audio-intake.js';
import type { AudioStream, AudioStreamOptions, AudioTap } from './audio-streams.js';
import { within } from './deadline.js';
import type { AudioFork, ForkControl } from './forks.js';
import { SocketAudioStream } from './socket-audio-stream.js';

/** The media server gives up a connection after five seconds. */
const CONNECT_DEADLINE_MS = 6_000;

/** A call's sound by a fork into this process. */
export class FsmrfAudioTap implements AudioTap {
  constructor(
    private readonly forks: ForkControl,
    private readonly intake: AudioIntake,
    /** Aborts when the channel is lost. */
    private readonly lost: AbortSignal,
  ) {}

  async open({ mixType, sampleRate, back }: AudioStreamOptions): Promise<AudioStream> {
    const expected = this.intake.expect();
    let fork: AudioFork | undefined;
    try {
      fork = await this.forks.start(
        {
          url: expected.url,
          isInternal: true,
          mixType,
          sampleRate,
          ...(back && { bidirectional: { streaming: true, sampleRate: back.sampleRate } }),
        },
        (event) => {
          if (event.event !== 'connect_failed') return;
          expected.giveUp(new MediaServerError(`the media server cannot bring audio: ${event.reason}`));
        },
      );
      const late = () => new MediaServerError('the media server brought no audio');
      const socket = await within(CONNECT_DEADLINE_MS, expected.socket, late, this.lost);
      return new SocketAudioStream({ socket, fork, channels: mixType === 'stereo' ? 2 : 1, sampleRate });
    } catch (error) {
      expected.giveUp(new MediaServerError('nobody waits for this audio any more'));
      // It may have come at the same moment.
      expected.socket.then(
        (socket) => socket.terminate(),
        () => undefined,
      );
      await fork?.stop();
      throw error;
    }
  }
}
