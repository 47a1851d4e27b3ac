import t from 'tap';
import { acceptAudioAnswer, answerAudio, type LocalAudio, offerAudio } from './offer-answer.js';
import { parseSdp, type Sdp } from './sdp.js';

const local: LocalAudio = { host: '127.0.0.1', port: 20000, sessionId: '77', sessionVersion: 1 };

function parsed(text: string): Sdp {
  const result = parseSdp(text);
  if (!result.ok) throw result.error;
  return result.sdp;
}

const offer = [
  'v=0',
  'o=phone 1 2 IN IP4 10.0.0.9',
  's=call',
  'c=IN IP4 10.0.0.1/127',
  't=0 0',
  'm=video 5000 RTP/AVP 31',
  'm=audio 4000 RTP/AVP 96 8 0 97',
  'c=IN IP4 10.0.0.2',
  'a=rtpmap:96 opus/48000/2',
  'a=rtpmap:97 telephone-event/8000',
  'a=fmtp:97 0-15',
  'a=ptime:30',
  'a=sendonly',
  '',
].join('\r\n');

t.test(
  'an answer takes the first known codec, the payload type of events, ptime and mirrored direction of the offer',
  (t) => {
    const result = answerAudio(parsed(offer), local);
    if (!result.ok) throw result.error;
    t.same(result.agreement, {
      codec: 'PCMA',
      payloadType: 8,
      telephoneEventPayloadType: 97,
      telephoneEventClockHz: 8000,
      ptimeMs: 30,
      remoteHost: '10.0.0.2',
      remotePort: 4000,
      direction: 'recvonly',
    });
    const answer = parsed(result.sdp);
    t.match(answer.media, [
      { type: 'video', port: 0 },
      { type: 'audio', port: 20000, direction: 'recvonly', ptimeMs: 30, host: '127.0.0.1' },
    ]);
    t.same(answer.media[1]?.formatTokens, ['8', '97']);
    t.end();
  },
);

t.test('our own offer and answer agree', (t) => {
  const result = answerAudio(parsed(offerAudio(local)), { ...local, port: 30000, codecs: ['PCMA'] });
  if (!result.ok) throw result.error;
  const accepted = acceptAudioAnswer(parsed(result.sdp));
  t.match(accepted, { ok: true, agreement: { codec: 'PCMA', remotePort: 30000, telephoneEventPayloadType: 101 } });
  t.end();
});

t.test('hold by null address stops our sending', (t) => {
  const held = offer.replace('10.0.0.2', '0.0.0.0').replace('a=sendonly', 'a=sendrecv');
  t.match(answerAudio(parsed(held), local), { ok: true, agreement: { direction: 'recvonly' } });
  t.end();
});

t.test('offers that cannot be answered say why', (t) => {
  const cases: [string, string][] = [
    [offer.replace('8 0', '9 18'), 'sdp/no-common-codec'],
    [offer.replace('m=audio 4000', 'm=audio 0'), 'sdp/no-audio'],
    [offer.replace('m=audio 4000 RTP/AVP', 'm=audio 4000 UDP/TLS/RTP/SAVPF'), 'sdp/no-audio'],
    [offer.replaceAll(/c=.*\r\n/g, ''), 'sdp/no-address'],
  ];
  for (const [text, code] of cases) t.match(answerAudio(parsed(text), local), { ok: false, error: { code } });
  t.end();
});

t.test('broken descriptions are refused, never thrown', (t) => {
  const broken = [
    '',
    'garbage',
    'v=0\r\nxx',
    'v=0\r\nm=audio',
    'v=0\r\nm=audio 99999 RTP/AVP 0',
    'v=0\r\nc=IN',
    'v=0\r\no=1',
  ];
  broken.push('x'.repeat(100_000), `v=0\r\n${'m=audio 1 RTP/AVP 0\r\n'.repeat(50)}`);
  for (const text of broken) t.match(parseSdp(text), { ok: false, error: { code: 'sdp/syntax' } });
  for (let length = 0; length < offer.length; length++) parseSdp(offer.slice(0, length));
  t.end();
});
