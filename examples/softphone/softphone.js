// A telephone in a web page: JsSIP, the microphone and a handful of buttons. `npm start` prints its address with an account of the
// demo behind the `#`, which no server gets to see; any other account goes into the form.
import JsSIP from 'jssip';

const $ = (id) => document.getElementById(id);

/** What the demo has to call; the numbers are those of `npm start`. */
const NUMBERS = [
  ['15550102', 'asks for a key'],
  ['15550100', 'speaks a greeting'],
  ['15550101', 'speaks the time'],
];
const USERS = ['anna', 'ben'];
const KEYS = '123456789*0#';

const voice = new Audio();
voice.autoplay = true;
let phone;
let call;
let timer;

function log(text) {
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  line.append(time, text);
  $('log').append(line);
  line.scrollIntoView({ block: 'nearest' });
}

function showRegistration(state, text) {
  $('registration').dataset.state = state;
  $('registration').textContent = text;
  $('call').disabled = state !== 'registered' || call !== undefined;
}

/** Shows what there is of a call: with whom, and what it does. */
function showCall(who = '', state = '') {
  const name = document.createElement('b');
  name.textContent = who;
  $('call-line').replaceChildren(name, state);
}

const press = (button, on) => button.setAttribute('aria-pressed', String(on));

function showButtons() {
  const isRinging = call?.direction === 'incoming' && !call.isEstablished();
  $('call').hidden = call !== undefined;
  $('call').disabled = !phone?.isRegistered();
  $('answer').hidden = !isRinging;
  $('hangup').hidden = call === undefined;
  $('hangup').textContent = isRinging ? 'Decline' : 'Hang up';
  $('in-call').hidden = !call?.isEstablished();
  press($('mute'), call?.isMuted().audio ?? false);
  press($('hold'), call?.isOnHold().local ?? false);
}

/** Registers with an account: `server` (a WebSocket's URL), `uri` and `password`. */
function register({ server, uri, password }) {
  phone?.stop();
  showRegistration('connecting', 'connecting');
  phone = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(server)],
    uri,
    password,
    session_timers: false,
    user_agent: 'Ringwire softphone',
  });
  const user = uri.replace(/^sip:/, '');
  phone.on('registered', () => {
    showRegistration('registered', user.split('@')[0]);
    log(`registered as ${user}`);
  });
  phone.on('registrationFailed', ({ cause, response }) => {
    showRegistration('failed', 'not registered');
    log(`not registered: ${response ? `${response.status_code} ${response.reason_phrase}` : cause}`);
    $('settings').open = true;
  });
  phone.on('disconnected', () => showRegistration('failed', 'connection lost'));
  phone.on('newRTCSession', ({ session, originator }) => {
    // One call at a time: who calls meanwhile hears that the line is busy.
    if (call && originator === 'remote') session.terminate({ status_code: 486 });
    else follow(session);
  });
  phone.start();
}

function follow(session) {
  call = session;
  const who = session.remote_identity.uri.user;
  const isIncoming = session.direction === 'incoming';
  showCall(who, isIncoming ? 'calls you' : 'calling');
  log(isIncoming ? `call from ${who}` : `calling ${who}`);
  session.on('peerconnection', ({ peerconnection }) => hear(peerconnection));
  if (session.connection) hear(session.connection);
  session.on('progress', ({ response }) => {
    if (!response) return;
    showCall(who, 'ringing');
    log(`${response.status_code} ${response.reason_phrase}`);
  });
  session.on('confirmed', () => {
    const since = Date.now();
    const tick = () => {
      const seconds = Math.floor((Date.now() - since) / 1000);
      showCall(who, `connected ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`);
    };
    tick();
    timer = setInterval(tick, 500);
    log('answered');
    showButtons();
  });
  const over = (text) => {
    clearInterval(timer);
    call = undefined;
    showCall(who, text);
    log(text);
    showButtons();
  };
  session.on('ended', ({ originator }) => over(originator === 'local' ? 'you hung up' : 'the other side hung up'));
  session.on('failed', ({ cause, message }) => {
    const reason = message?.getHeader?.('X-Reason');
    over(`${message?.status_code ?? ''} ${cause}${reason ? `: ${reason}` : ''}`.trim());
  });
  for (const event of ['hold', 'unhold', 'muted', 'unmuted']) session.on(event, showButtons);
  showButtons();
}

function hear(connection) {
  connection.addEventListener('track', ({ streams, track }) => {
    voice.srcObject = streams[0] ?? new MediaStream([track]);
  });
}

/** A name or a number is one of the own realm. */
function dial(target) {
  if (!target || call || !phone?.isRegistered()) return;
  $('target').value = target;
  const uri = target.includes('@') ? target : `${target}@${phone.configuration.uri.host}`;
  phone.call(uri.startsWith('sip:') ? uri : `sip:${uri}`, { mediaConstraints: { audio: true, video: false } });
}

function pressKey(key) {
  if (!call?.isEstablished()) {
    $('target').value += key;
    return;
  }
  call.sendDTMF(key, { transportType: 'RFC2833' });
  log(`key ${key}`);
}

for (const key of KEYS) {
  const button = document.createElement('button');
  button.textContent = key;
  button.addEventListener('click', () => pressKey(key));
  $('keys').append(button);
}

function offerToCall(target, text) {
  const button = document.createElement('button');
  const small = document.createElement('small');
  small.textContent = text;
  button.append(target, small);
  button.addEventListener('click', () => dial(target));
  $('numbers').append(button);
}

$('call').addEventListener('click', () => dial($('target').value.trim()));
$('target').addEventListener('keydown', ({ key }) => key === 'Enter' && dial($('target').value.trim()));
$('answer').addEventListener('click', () => call?.answer({ mediaConstraints: { audio: true, video: false } }));
$('hangup').addEventListener('click', () => call?.terminate());
$('mute').addEventListener('click', () => (call?.isMuted().audio ? call.unmute() : call?.mute()));
$('hold').addEventListener('click', () => (call?.isOnHold().local ? call.unhold() : call?.hold()));
$('account').addEventListener('submit', (event) => {
  event.preventDefault();
  register(Object.fromEntries(new FormData($('account'))));
});
// A tab that is closed is not called any more.
addEventListener('pagehide', () => phone?.stop());

const account = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
for (const [name, value] of Object.entries(account)) {
  const input = $('account').elements.namedItem(name);
  if (input) input.value = value;
}
const me = /^sip:([^@]+)@/.exec(account.uri ?? '')?.[1];
for (const [number, text] of NUMBERS) offerToCall(number, text);
for (const user of USERS) if (me && user !== me) offerToCall(user, 'the other user, in another window');
if (account.server && account.uri) register(account);
else $('settings').open = true;
showButtons();
