import type { SayBody, VerbContext } from './verb.js';

/**
 * `say` with `stream`: speaks what the application sends by `tts:tokens`, until it has sent everything and everything is spoken, or, with
 * `closeStreamOnEmpty` false, until the verb is replaced. A stream that `config` has opened stays open after it.
 */
export async function speakStream(ctx: VerbContext, spec: SayBody, signal: AbortSignal): Promise<void> {
  const { app, stream, events, journal } = ctx;
  if (!app.isSocket) {
    journal.timeline.warn('speech', 'say: stream is for WebSocket applications, nothing is spoken');
    return;
  }
  const about = { verb: 'say', ...(spec.id !== undefined && { id: spec.id }) };
  const isOwn = !stream.isOpen;
  stream.open(spec.synthesizer);
  events.status(about, 'start-playback');
  try {
    await (spec.closeStreamOnEmpty === false ? aborted(signal) : stream.spoken(signal));
  } finally {
    if (signal.aborted) await stream.clear();
    if (isOwn) await stream.close();
    events.status(about, signal.aborted ? 'kill-playback' : 'stop-playback');
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
