// The telephone of softphone.js once more, with SIP.js as it comes from npm. What both do has the same names.
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from 'sip.js';
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

let agent;
let session;

const media = { constraints: { audio: PLAIN_MICROPHONE, video: false } };
const connectionOf = () => session.sessionDescriptionHandler.peerConnection;

function follow(next) {
  session = next;
  forgetEar();
  let isAnswered = false;
  let originator = 'local';
  session.delegate = {
    onSessionDescriptionHandler: ({ peerConnection }) => followConnection(peerConnection),
    onBye: (bye) => {
      originator = 'remote';
      // SIP.js leaves the answer to whoever listens.
      bye.accept();
    },
  };
  session.stateChange.addListener((state) => {
    if (state === SessionState.Established) {
      isAnswered = true;
      happened('confirmed');
    }
    if (state === SessionState.Terminated && isAnswered) happened('ended', { originator });
  });
}

/** A request's final response as a promise; refused, it rejects. */
const answered = (send) =>
  new Promise((resolve, reject) => {
    const onReject = ({ message }) => reject(new Error(`refused with ${message.statusCode}`));
    send({ onAccept: ({ message }) => resolve(message.statusCode), onReject }).catch(reject);
  });

const setHold = (hold) => {
  session.sessionDescriptionHandlerOptionsReInvite = { hold };
  return answered((requestDelegate) => session.invite({ requestDelegate }));
};

window.softphone = {
  async connect({ server, uri, password }) {
    await audio.resume();
    const since = events.length;
    agent = new UserAgent({
      uri: UserAgent.makeURI(uri),
      transportOptions: { server },
      authorizationUsername: /^sip:([^@]+)@/.exec(uri)?.[1],
      authorizationPassword: password,
      logLevel: 'error',
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
      delegate: {
        onInvite(invitation) {
          follow(invitation);
          happened('ringing', { from: invitation.remoteIdentity.uri.user, sdp: invitation.body });
        },
      },
    });
    await agent.start();
    const registerer = new Registerer(agent);
    registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Registered) happened('registered', { status: 200 });
    });
    await registerer.register({
      requestDelegate: {
        onReject: ({ message }) => happened('registrationFailed', { status: message.statusCode }),
      },
    });
    return eventOf('registered', since, 15_000);
  },
  async call(target) {
    follow(new Inviter(agent, UserAgent.makeURI(target), { sessionDescriptionHandlerOptions: media }));
    await session.invite({
      requestDelegate: { onReject: ({ message }) => happened('failed', { status: message.statusCode }) },
    });
  },
  answer: () => session.accept({ sessionDescriptionHandlerOptions: media }),
  hangup() {
    if (session.state === SessionState.Established) return session.bye();
    return session instanceof Inviter ? session.cancel() : session.reject();
  },
  /** `RFC2833` or `INFO`. */
  async sendDtmf(tones, transport) {
    if (transport === 'RFC2833') {
      await untilKeysWork(connectionOf());
      session.sessionDescriptionHandler.sendDtmf(tones, { duration: 160, interToneGap: 100 });
      return;
    }
    for (const key of tones) {
      const content = `Signal=${key}\r\nDuration=160`;
      const body = { contentDisposition: 'render', contentType: 'application/dtmf-relay', content };
      await answered((requestDelegate) => session.info({ requestDelegate, requestOptions: { body } }));
    }
  },
  hold: () => setHold(true),
  unhold: () => setHold(false),
  /** Blind transfer: resolves with what became of it. */
  refer(target) {
    return new Promise((resolve) => {
      session.refer(UserAgent.makeURI(target), {
        requestDelegate: {
          onReject: ({ message }) => resolve({ result: 'refused', status: message.statusCode }),
        },
        onNotify(notification) {
          notification.accept();
          const [, status] = /^SIP\/2\.0 (\d{3})/.exec(notification.request.body) ?? [];
          if (Number(status) >= 200) resolve({ result: Number(status) < 300 ? 'accepted' : 'failed', status });
        },
      });
    });
  },
  outcome: (since, timeoutMs) => eventOf(['ended', 'failed'], since, timeoutMs),
  hears,
  hearsNothing,
  heardNow,
  media: () => mediaOf(connectionOf()),
  sdp: () => sdpOf(connectionOf()),
  eventOf,
  events,
};
