import { BACKGROUND_GATHER, BackgroundGather } from '../background-gather.js';
import { configureTranscribe } from '../transcribe.js';
import type { ConfigPart } from './part.js';

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
    if (vad) defaults.vad = { ...defaults.vad, ...vad };
    if (notifySttLatency !== undefined) defaults.notifiesSttLatency = notifySttLatency;
    if (bargeIn) {
      await background.stop(BACKGROUND_GATHER);
      if (bargeIn.enable) await background.start(BACKGROUND_GATHER, new BackgroundGather(ctx, bargeIn));
    }
    if (transcribe) await configureTranscribe(ctx, transcribe);
  },
};
