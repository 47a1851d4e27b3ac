import { decibels } from '../quantities.js';
import type { ConfigPart } from './part.js';

/** How loud the caller hears the call. */
export const sound: ConfigPart = {
  properties: ['boostAudioSignal'],
  needs: () => 'media',
  async apply({ media, journal, defaults }, { boostAudioSignal }) {
    const gainDb = decibels(boostAudioSignal);
    if (gainDb === undefined) {
      journal.timeline.warn('verb', `config: "${boostAudioSignal}" is no gain in dB`);
      return;
    }
    await media.endpoint().dub.setGain(gainDb);
    defaults.gainDb = gainDb;
  },
};
