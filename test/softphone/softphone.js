// A telephone in a web page, for tests: JsSIP as it comes from npm, and an ear that tells which tone it hears.
// Bundled when a test opens a browser (support/browser-phone.ts).
import JsSIP from 'jssip';

/** How often the ear listens, and how often in a row it must hear the same. */
const LISTEN_MS = 40;
const IN_A_ROW = 4;
/** A tone counts as heard when it is the loudest and this loud (dB full scale), as silence what is softer. */
const AUDIBLE_DB = -60;
const PLAIN_MICROPHONE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** What happened, for who waits for it and for messages of tests that fail. */
const events = [];
const waiters = new Set();

function happened(type, facts = {}) {
  events.push({ type, at: Date.now(), ...facts });
  for (const look of [...waiters]) look();
}

const FAILURES = ['failed', 'registrationFailed'];

/** Resolves with the first event of such a type since `since` (a length of `events`); what fails is waited for in vain. */
function eventOf(types, since, timeoutMs) {
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

let ua;
let session;
let ear;
const audio = new AudioContext();

/** Listens to a remote stream. Chromium decodes one for WebAudio only while an element plays it. */
function listenTo(stream) {
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
function heardNow() {
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

function follow(next) {
  session = next;
  ear = undefined;
  const hearing = (connection) => {
    connection.addEventListener('track', ({ streams, track }) => listenTo(streams[0] ?? new MediaStream([track])));
    connection.addEventListener('connectionstatechange', () =>
      happened('media', { state: connection.connectionState }),
    );
  };
  if (session.connection) hearing(session.connection);
  else session.on('peerconnection', ({ peerconnection }) => hearing(peerconnection));
  session.on('progress', ({ response }) => happened('progress', { status: response?.status_code }));
  session.on('confirmed', () => happened('confirmed'));
  session.on('ended', ({ originator, cause }) => happened('ended', { originator, cause }));
  session.on('failed', ({ originator, cause, message }) =>
    happened('failed', { originator, cause, status: message?.status_code, reason: message?.getHeader?.('X-Reason') }),
  );
  session.on('hold', ({ originator }) => happened('hold', { originator }));
  session.on('unhold', ({ originator }) => happened('unhold', { originator }));
  session.on('newDTMF', ({ originator, dtmf }) => happened('dtmf', { originator, tone: dtmf.tone }));
  session.on('reinvite', () => happened('reinvite'));
}

/** Chromium takes keys only when its media is connected, some time after the call was answered. */
async function untilKeysWork() {
  const deadline = performance.now() + 20_000;
  const dtmf = () => session.connection.getSenders().find(({ track }) => track?.kind === 'audio')?.dtmf;
  while (!dtmf()?.canInsertDTMF) {
    if (performance.now() > deadline) throw new Error('Chromium takes no keys');
    await new Promise((resolve) => setTimeout(resolve, LISTEN_MS));
  }
}

const media = { mediaConstraints: { audio: PLAIN_MICROPHONE, video: false }, pcConfig: { iceServers: [] } };

/** An INVITE's or re-INVITE's end as a promise. */
const done = (act) => new Promise((resolve, reject) => act({ done: resolve, failed: reject }));

window.softphone = {
  /** Connects, and registers with a password. */
  async connect({ server, uri, password, realm }) {
    await audio.resume();
    const since = events.length;
    ua?.stop();
    ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(server)],
      uri,
      ...(password === undefined ? { register: false } : { password, register: true }),
      ...(realm === undefined ? {} : { realm }),
      session_timers: false,
    });
    ua.on('connected', () => happened('connected'));
    ua.on('disconnected', ({ error, code, reason }) => happened('disconnected', { error, code, reason }));
    ua.on('registered', ({ response }) => happened('registered', { status: response.status_code }));
    ua.on('unregistered', () => happened('unregistered'));
    ua.on('registrationFailed', ({ cause, response }) =>
      happened('registrationFailed', { cause, status: response?.status_code }),
    );
    ua.on('newMessage', ({ originator, request }) => happened('message', { originator, body: request.body }));
    ua.on('newRTCSession', ({ originator, session: next, request }) => {
      if (originator !== 'remote') return;
      follow(next);
      happened('ringing', {
        from: next.remote_identity.uri.user,
        display: next.remote_identity.display_name,
        sdp: request.body,
      });
    });
    ua.start();
    return eventOf(password === undefined ? 'connected' : 'registered', since, 15_000);
  },
  call(target, options = {}) {
    follow(ua.call(target, { ...media, ...options }));
  },
  answer() {
    session.answer(media);
  },
  hangup() {
    session.terminate();
  },
  /** `RFC2833` or `INFO`. */
  async sendDtmf(tones, transport) {
    if (transport === 'RFC2833') await untilKeysWork();
    session.sendDTMF(tones, { transportType: transport, duration: 160, interToneGap: 100 });
  },
  hold: () => done(({ done, failed }) => session.hold({}, done) || failed(new Error('cannot hold now'))),
  unhold: () => done(({ done, failed }) => session.unhold({}, done) || failed(new Error('cannot unhold now'))),
  renegotiate: (options = {}) =>
    done(({ done, failed }) => session.renegotiate(options, done) || failed(new Error('cannot renegotiate now'))),
  /** Blind transfer: resolves with what became of it. */
  refer(target) {
    return new Promise((resolve) => {
      session.refer(target, {
        eventHandlers: {
          requestFailed: ({ response }) => resolve({ result: 'refused', status: response?.status_code }),
          accepted: () => resolve({ result: 'accepted' }),
          failed: ({ status_line: status }) => resolve({ result: 'failed', status }),
        },
      });
    });
  },
  /** How the call ended, answered or not. */
  outcome: (since, timeoutMs) => eventOf(['ended', 'failed'], since, timeoutMs),
  hears: (hz, timeoutMs) =>
    untilHeard(`${hz} Hz`, (heard) => heard.db > AUDIBLE_DB && Math.abs(heard.hz - hz) < 25, timeoutMs),
  hearsNothing: (timeoutMs) => untilHeard('silence', (heard) => !(heard.db > AUDIBLE_DB), timeoutMs),
  heardNow,
  /** What is sent and received now: codec names, packets. */
  async media() {
    const facts = { sent: undefined, received: undefined, packetsSent: 0, packetsReceived: 0, lost: 0, jitterMs: 0 };
    const stats = await session.connection.getStats();
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
  },
  sdp: () => ({
    local: session.connection.localDescription?.sdp,
    remote: session.connection.remoteDescription?.sdp,
  }),
  eventOf,
  events,
};
