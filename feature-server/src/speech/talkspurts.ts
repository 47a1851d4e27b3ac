/** When somebody spoke: ms since the epoch; an open end is speech that goes on. */
export type Talkspurts = readonly { startedAt: number; endedAt?: number }[];

/**
 * What `config.notifySttLatency` adds to speech hooks (compat 1.5): how long after the end of speech its text was there, and when speech was
 * heard. Empty where none was.
 * @param heardAt ms since the epoch
 */
export function sttLatency(talkspurts: Talkspurts, heardAt: number): Record<string, string> {
  const [first] = talkspurts;
  const last = talkspurts.at(-1);
  if (!first || !last) return {};
  const stoppedAt = last.endedAt ?? heardAt;
  return {
    sttLatencyMs: String(Math.max(0, Math.round(heardAt - stoppedAt))),
    sttTalkspurts: JSON.stringify(talkspurts.map(({ startedAt, endedAt }) => [startedAt, endedAt ?? heardAt])),
    sttStartTime: new Date(first.startedAt).toISOString(),
    sttStopTime: new Date(stoppedAt).toISOString(),
  };
}
