import { BACKGROUND_GATHER, BackgroundGather } from '../background-gather.js';
import { configureTranscribe } from '../transcribe.js';
import type { ConfigPart } from './part.js';

/** The most that the detector of speech knows of; it takes what is beyond as that. */
const VAD_LIMITS = { mode: 3, threshold: 1 } as const;

/** The recognizer from now on, when somebody counts as speaking, and who listens beside the verbs. */
export const recognition: ConfigPart = {
  properties: ['recognizer', 'vad', 'notifySttLatency', 'bargeIn', 'transcribe'],
  needs({ bargeIn, transcribe }) {
    if (bargeIn?.enable) return 'media';
    if (!transcribe?.enable) return 'nothing';
    return transcribe.earlyMedia ? 'early-media' : 'media';
  },
  async apply(ctx, { recognizer, vad, notifySttLatency, bargeIn, transcribe }) {
    const { defaults, background } = ctx;
    if (recognizer) defaults.mergeRecognizer(recognizer as Record<string, unknown>);
    for (const [name, most] of Object.entries(VAD_LIMITS)) {
      const value = vad?.[name as keyof typeof VAD_LIMITS];
      if (value !== undefined && (value < 0 || value > most))
        ctx.journal.timeline.warn('verb', `config: vad.${name} must be 0 to ${most}, got ${value}`);
    }
    if (vad) defaults.vad = { ...defaults.vad, ...vad };
    if (notifySttLatency !== undefined) defaults.notifiesSttLatency = notifySttLatency;
    if (bargeIn) {
      await background.stop(BACKGROUND_GATHER);
      if (bargeIn.enable) await background.start(BACKGROUND_GATHER, new BackgroundGather(ctx, bargeIn));
    }
    if (transcribe) await configureTranscribe(ctx, transcribe);
  },
};
