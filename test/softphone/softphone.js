// A telephone in a web page, for tests: JsSIP as it comes from npm. Bundled when a test opens a browser (support/browser-phone.ts).
import JsSIP from 'jssip';
import {
  audio,
  eventOf,
  events,
  followConnection,
  forgetEar,
  happened,
  heardNow,
  hears,
  hearsNothing,
  mediaOf,
  PLAIN_MICROPHONE,
  sdpOf,
  untilKeysWork,
} from './ear.js';

let ua;
let session;
/** The call that waits while another one is made. */
let aside;

function follow(next) {
  session = next;
  forgetEar();
  if (session.connection) followConnection(session.connection);
  else session.on('peerconnection', ({ peerconnection }) => followConnection(peerconnection));
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
    if (transport === 'RFC2833') await untilKeysWork(session.connection);
    session.sendDTMF(tones, { transportType: transport, duration: 160, interToneGap: 100 });
  },
  hold: () => done(({ done, failed }) => session.hold({}, done) || failed(new Error('cannot hold now'))),
  unhold: () => done(({ done, failed }) => session.unhold({}, done) || failed(new Error('cannot unhold now'))),
  renegotiate: (options = {}) =>
    done(({ done, failed }) => session.renegotiate(options, done) || failed(new Error('cannot renegotiate now'))),
  /** Puts the call aside for the next one; {@link join} connects those who are in the two. */
  consult() {
    aside = session;
  },
  /** Attended transfer (REFER with Replaces), as {@link refer}. */
  join() {
    return this.refer(session.remote_identity.uri.toString(), aside, { replaces: session });
  },
  /** Transfer, blind unless there are options: resolves with what became of it. */
  refer(target, of = session, options = {}) {
    return new Promise((resolve) => {
      of.refer(target, {
        ...options,
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
  hears,
  hearsNothing,
  heardNow,
  media: () => mediaOf(session.connection),
  sdp: () => sdpOf(session.connection),
  eventOf,
  events,
};
