import { isSsml } from '../speech/synthesizer.js';
import { sentenceEnd } from '../speech/token-buffer.js';
import { loopCount } from './quantities.js';
import { restOfRound } from './rounds.js';
import { tellSynthesized } from './synthesized.js';
import type { SayBody, SpeechSources, VerbContext } from './verb.js';

/** Whether texts are spoken as they are made (`config.autoStreamTts`, for WebSocket applications). */
export function isBySentence({ defaults, app }: Pick<VerbContext, 'defaults' | 'app'>): boolean {
  return defaults.autoStreamTts && app.isSocket;
}

/** `say` that begins with the first sentence while the others are still being made; each is made while the one before it is heard. */
export async function speakBySentence(ctx: VerbContext, spec: SayBody, signal: AbortSignal): Promise<void> {
  const about = { verb: 'say', ...(spec.id !== undefined && { id: spec.id }) };
  const sentences = ctx.speech.textsOf(spec).flatMap(sentencesOf);
  let isFirst = true;
  let next: Promise<SpeechSources> | undefined;
  const make = (text: string | undefined): void => {
    next = text === undefined || signal.aborted ? undefined : ctx.speech.sources({ ...spec, text }, signal);
    // It is awaited when its turn comes.
    next?.catch(() => undefined);
  };
  try {
    for (let left = loopCount(spec.loop); left > 0 && !signal.aborted && sentences.length > 0; left--) {
      const startedAt = performance.now();
      make(sentences[0]);
      for (let index = 1; next; index++) {
        const { files, spoken, release } = await next;
        make(sentences[index]);
        try {
          tellSynthesized(ctx, about, spoken);
          if (isFirst) ctx.events.status(about, 'start-playback');
          isFirst = false;
          await ctx.media.play(files, { signal });
        } finally {
          await release();
        }
      }
      await restOfRound(startedAt, signal);
    }
  } finally {
    if (!isFirst) ctx.events.status(about, signal.aborted ? 'kill-playback' : 'stop-playback');
    await next?.then(({ release }) => release()).catch(() => undefined);
  }
}

function sentencesOf(text: string): string[] {
  if (isSsml(text)) return [text];
  const sentences: string[] = [];
  let rest = text.trim();
  for (let end = sentenceEnd(rest); end > 0 && end < rest.length; end = sentenceEnd(rest)) {
    sentences.push(rest.slice(0, end).trim());
    rest = rest.slice(end).trim();
  }
  return rest === '' ? sentences : [...sentences, rest];
}
