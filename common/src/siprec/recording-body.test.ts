import t from 'tap';
import { judgeAnswer, offerOfCopy } from './recording-body.js';

const HEAD = ['v=0', 'o=- 7 9 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0'];
const sdp = (...lines: string[]): string => `${[...HEAD, ...lines].join('\r\n')}\r\n`;
const audio = (port: number): string[] => [`m=audio ${port} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000', 'a=sendrecv'];
const VIDEO = ['m=video 4010 RTP/AVP 96', 'a=rtpmap:96 VP8/90000', 'a=sendrecv'];
const COPY = sdp(...audio(4000), ...audio(4002));
const VIDEO_COPY = sdp(...audio(4000), ...VIDEO, ...audio(4002), ...VIDEO);
const allows = (address: string): boolean => address === '192.0.2.1';
const why = (answer: string, copy = COPY): string => {
  const judged = judgeAnswer(answer, copy, allows);
  return judged.ok ? 'ok' : judged.why;
};

t.test('SIPREC offer: both voices are labelled, and sent or not', async (t) => {
  const offer = offerOfCopy(COPY, { id: 1, version: 2 }, false);
  t.match(offer, 'o=- 1 2 IN IP4 192.0.2.1\r\n');
  t.same(offer.match(/^(m=audio \d+|a=(label|send|inactive).*)/gm), [
    ...['m=audio 4000', 'a=sendonly', 'a=label:1'],
    ...['m=audio 4002', 'a=sendonly', 'a=label:2'],
  ]);
  t.match(offerOfCopy(COPY, { id: 1, version: 2 }, true), /a=inactive\r\na=label:2\r\n$/);
});

t.test('SIPREC offer: of a call with video the voices alone are offered, each under its own label', async (t) => {
  const offer = offerOfCopy(VIDEO_COPY, { id: 1, version: 1 }, false);
  t.same(offer.match(/^(m=\S+ \d+|a=label.*)/gm), [
    ...['m=audio 4000', 'a=label:1', 'm=video 0'],
    ...['m=audio 4002', 'a=label:2', 'm=video 0'],
  ]);
  const answer = sdp(...audio(5000), 'm=video 0 RTP/AVP 96', ...audio(5002), 'm=video 5004 RTP/AVP 96');
  const judged = judgeAnswer(answer, VIDEO_COPY, allows);
  t.same(judged.ok && judged.sdp.match(/^m=\S+ \d+/gm), ['m=audio 5000', 'm=video 0', 'm=audio 5002', 'm=video 0']);
  t.match(why(sdp(...audio(5000), ...audio(5002)), VIDEO_COPY), /2 streams for 4/);
});

t.test('SIPREC answer: what names another address than that of the stream is taken out', async (t) => {
  const answer = sdp(
    ...audio(5000),
    ...['a=rtcp:5060 IN IP4 10.0.0.5', 'a=candidate:1 1 UDP 1 10.0.0.5 5060 typ host', 'a=ice-ufrag:x'],
    ...audio(5002),
    'a=rtcp:5003',
  );
  const judged = judgeAnswer(answer, COPY, allows);
  t.ok(judged.ok);
  if (!judged.ok) return;
  t.notMatch(judged.sdp, '10.0.0.5');
  t.notMatch(judged.sdp, 'ice-ufrag');
  t.match(judged.sdp, 'a=rtcp:5003\r\n');
  t.same(judgeAnswer(COPY, COPY, allows), { ok: true, sdp: COPY }, 'nothing else is changed');
});

t.test('SIPREC answer: every address of it is judged, however it is written', async (t) => {
  const good = sdp(...audio(5000), ...audio(5002));
  t.equal(why(good), 'ok');
  t.equal(why(good.replaceAll('\r\n', '\n')), 'ok');
  const without = good.replace('c=IN IP4 192.0.2.1\r\n', '');
  t.match(why(without), /does not say where/);
  t.equal(why(without.replaceAll('a=rtpmap', 'c=IN IP4 192.0.2.1\r\na=rtpmap')), 'ok');
  t.match(why(without.replace('a=rtpmap', 'c=IN IP4 192.0.2.1\r\na=rtpmap')), /does not say where/);
  for (const line of ['c=IN IP4 10.0.0.5', 'c=IN  IP4 10.0.0.5', 'c= IN IP4 10.0.0.5', 'C=IN IP4 x', 'c=IN IP4 srs']) {
    t.match(why(good.replace('a=rtpmap', `${line}\r\na=rtpmap`)), /may not be$/, line);
  }
  t.match(why(good.replace('a=rtpmap', 'a=x\rc=IN IP4 10.0.0.5\r\na=rtpmap')), /cannot be read/);
  t.match(why(`${good}${good}`), /cannot be read/);
  t.match(why(''), /cannot be read/);
});

t.test('SIPREC answer: one of the streams must be taken', async (t) => {
  t.equal(why(sdp(...audio(5000), ...audio(0))), 'ok');
  t.match(why(sdp(...audio(0), ...audio(0))), /takes neither/);
  t.match(why(sdp(...audio(5000))), /1 streams for 2/);
  t.match(why(sdp(...VIDEO, ...audio(5002))), /or others/);
});
