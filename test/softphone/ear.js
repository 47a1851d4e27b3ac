// What the telephones of the tests have in common, whichever SIP library they use: a list of what happened, an ear that tells
// which tone it hears, and what a peer connection says of itself.

/** How often the ear listens, and how often in a row it must hear the same. */
const LISTEN_MS = 40;
const IN_A_ROW = 4;
/** A tone counts as heard when it is the loudest and this loud (dB full scale), as silence what is softer. */
const AUDIBLE_DB = -60;
export const PLAIN_MICROPHONE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** What happened, for who waits for it and for messages of tests that fail. */
export const events = [];
const waiters = new Set();

export function happened(type, facts = {}) {
  events.push({ type, at: Date.now(), ...facts });
  for (const look of [...waiters]) look();
}

const FAILURES = ['failed', 'registrationFailed'];

/** Resolves with the first event of such a type since `since` (a length of `events`); what fails is waited for in vain. */
export function eventOf(types, since, timeoutMs) {
  const wanted = [types].flat();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      waiters.delete(look);
      reject(new Error(`no ${wanted} within ${timeoutMs} ms; there were ${JSON.stringify(events.slice(since))}`));
    }, timeoutMs);
    const look = () => {
      const found = events.slice(since).find(({ type }) => wanted.includes(type) || FAILURES.includes(type));
      if (!found) return;
      clearTimeout(timer);
      waiters.delete(look);
      if (wanted.includes(found.type)) resolve(found);
      else reject(new Error(`no ${wanted}: ${JSON.stringify(found)}`));
    };
    waiters.add(look);
    look();
  });
}

let ear;
export const audio = new AudioContext();

/** Hears nothing until the next {@link listenTo}. */
export function forgetEar() {
  ear = undefined;
}

/** Listens to a remote stream. Chromium decodes one for WebAudio only while an element plays it. */
export function listenTo(stream) {
  const element = new Audio();
  element.muted = true;
  element.srcObject = stream;
  element.play();
  const analyser = audio.createAnalyser();
  analyser.fftSize = 4096;
  analyser.smoothingTimeConstant = 0;
  audio.createMediaStreamSource(stream).connect(analyser);
  ear = { analyser, element };
}

/** The loudest frequency now, in Hz, and its level in dB. */
export function heardNow() {
  if (!ear) return { hz: 0, db: -Infinity };
  const bins = new Float32Array(ear.analyser.frequencyBinCount);
  ear.analyser.getFloatFrequencyData(bins);
  let loudest = 0;
  for (let bin = 1; bin < bins.length; bin++) if (bins[bin] > bins[loudest]) loudest = bin;
  return { hz: (loudest * audio.sampleRate) / ear.analyser.fftSize, db: bins[loudest] };
}

/** Waits until the same is heard several times in a row. */
async function untilHeard(what, fits, timeoutMs) {
  const deadline = performance.now() + timeoutMs;
  let inARow = 0;
  for (;;) {
    const heard = heardNow();
    inARow = fits(heard) ? inARow + 1 : 0;
    if (inARow >= IN_A_ROW) return heard;
    if (performance.now() > deadline) {
      throw new Error(
        `${what} was not heard within ${timeoutMs} ms; last: ${heard.hz.toFixed(0)} Hz at ${heard.db.toFixed(0)} dB`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  }
}

export const hears = (hz, timeoutMs) =>
  untilHeard(`${hz} Hz`, (heard) => heard.db > AUDIBLE_DB && Math.abs(heard.hz - hz) < 25, timeoutMs);

export const hearsNothing = (timeoutMs) => untilHeard('silence', (heard) => !(heard.db > AUDIBLE_DB), timeoutMs);

/** Listens to what a peer connection receives, and tells of its state. */
export function followConnection(connection) {
  connection.addEventListener('track', ({ streams, track }) => listenTo(streams[0] ?? new MediaStream([track])));
  connection.addEventListener('connectionstatechange', () => happened('media', { state: connection.connectionState }));
}

/** Chromium takes keys only when its media is connected, some time after the call was answered. */
export async function untilKeysWork(connection) {
  const deadline = performance.now() + 20_000;
  const dtmf = () => connection.getSenders().find(({ track }) => track?.kind === 'audio')?.dtmf;
  while (!dtmf()?.canInsertDTMF) {
    if (performance.now() > deadline) throw new Error('Chromium takes no keys');
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  }
}

/** What is sent and received: codec names, packets. Chromium names a codec some time after its first packet: until then it is waited for. */
export async function mediaOf(connection) {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const facts = await mediaNow(connection);
    if ((facts.sent && facts.received) || performance.now() > deadline) return facts;
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  }
}

async function mediaNow(connection) {
  const facts = { sent: undefined, received: undefined, packetsSent: 0, packetsReceived: 0, lost: 0, jitterMs: 0 };
  const stats = await connection.getStats();
  for (const row of stats.values()) {
    if (row.type === 'outbound-rtp') {
      facts.sent = stats.get(row.codecId)?.mimeType;
      facts.packetsSent = row.packetsSent;
    }
    if (row.type === 'inbound-rtp') {
      facts.received = stats.get(row.codecId)?.mimeType;
      facts.packetsReceived = row.packetsReceived;
      facts.lost = row.packetsLost;
      facts.jitterMs = row.jitter * 1000;
    }
    if (row.type === 'candidate-pair' && row.nominated) facts.roundTripMs = row.currentRoundTripTime * 1000;
  }
  return facts;
}

export const sdpOf = (connection) => ({
  local: connection.localDescription?.sdp,
  remote: connection.remoteDescription?.sdp,
});
