import type { ConfigPart } from './part.js';

/** Speech of text that the application sends while it grows; its stream ends with the call. */
export const speechStream: ConfigPart = {
  properties: ['ttsStream'],
  needs: ({ ttsStream }) => (ttsStream?.enable ? 'media' : 'nothing'),
  async apply({ app, journal, stream }, { ttsStream }) {
    if (!ttsStream?.enable) {
      await stream.close();
    } else if (!app.isSocket) {
      journal.timeline.warn('speech', 'config: ttsStream is for WebSocket applications, no stream is opened');
    } else {
      stream.open(ttsStream.synthesizer);
    }
  },
};
