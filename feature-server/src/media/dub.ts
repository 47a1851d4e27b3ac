/** How something is played on a track. */
export interface TrackPlayOptions {
  /** Again and again until something else is played there, or it is silenced. @defaultValue false */
  loop?: boolean;
  /** Whole decibels, −50 (silence) to 50. @defaultValue 0 */
  gainDb?: number;
}

/** Sound beside what a channel's far end hears anyway: up to four tracks with names of the application's choice (mod_dub). */
export interface DubControl {
  /** Whether there is a track, or another loudness than that which comes in: both end with the endpoint. */
  readonly isInUse: boolean;
  /** @throws MediaServerError when there is such a track, or there are four */
  addTrack(track: string): Promise<void>;
  /** @throws MediaServerError when there is no such track; so do the others */
  removeTrack(track: string): Promise<void>;
  /** Ends what plays and waits on a track; it can be played on again. */
  silenceTrack(track: string): Promise<void>;
  /**
   * Plays a URL (mod_dub decodes MP3 only), or a file of the media server (`.mp3`, or `.r8` as `trackSound` makes it), after what plays there. Resolves
   * before it is heard: mod_dub tells of nothing later.
   * @throws MediaServerError also for any other source
   */
  playOnTrack(track: string, source: string, options?: TrackPlayOptions): Promise<void>;
  /** How loud everything but the tracks is, in whole decibels, −50 (silence) to 50. */
  setGain(gainDb: number): Promise<void>;
}
