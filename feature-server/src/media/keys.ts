/** Keys that a call's own far end gets, as its leg carries them: RFC 4733, tones or INFO. */
export interface KeySender {
  /**
   * Sends one. Resolves when the media server has taken it, which is before it has sounded.
   * @param key `0`–`9`, `*`, `#`, `A`–`D`
   * @throws MediaServerError
   */
  send(key: string, durationMs: number): Promise<void>;
}
