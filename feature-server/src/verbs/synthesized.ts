import type { SpeechSources, VerbContext } from './verb.js';

/** Tells a WebSocket application what was synthesized, and what that took where it was new (the published schema). */
export function tellSynthesized(
  { events }: Pick<VerbContext, 'events'>,
  about: { verb: string; id?: string },
  spoken: SpeechSources['spoken'],
): void {
  for (const { vendor, language, characters, ms, cached } of spoken) {
    const cost = cached ? {} : { characters, elapsedTime: ms };
    events.status(about, 'synthesized-audio', { vendor, language, ...cost, servedFromCache: cached });
  }
}
