import t from 'tap';
import { isHold } from './hold.js';

const sdp = (lines: string[], session: string[] = ['c=IN IP4 192.0.2.1']): string =>
  ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', ...session, 't=0 0', 'm=audio 4000 RTP/AVP 0', ...lines, ''].join('\r\n');

t.test('an offer holds when its audio is sendonly or inactive, or has no address', (t) => {
  for (const [offer, expected] of [
    [sdp([]), false],
    [sdp(['a=sendrecv']), false],
    [sdp(['a=recvonly']), false],
    [sdp(['a=sendonly']), true],
    [sdp(['a=inactive']), true],
    [sdp([], ['c=IN IP4 192.0.2.1', 'a=sendonly']), true],
    [sdp(['a=sendrecv'], ['c=IN IP4 192.0.2.1', 'a=sendonly']), false],
    [sdp([], ['c=IN IP4 0.0.0.0']), true],
    [sdp(['c=IN IP4 192.0.2.9'], ['c=IN IP4 0.0.0.0']), false],
    [sdp(['a=rtpmap:0 PCMU/8000', 'm=video 4002 RTP/AVP 96', 'a=sendonly']), false],
    ['', false],
  ] as const) {
    t.equal(isHold(offer), expected, JSON.stringify(offer));
  }
  t.end();
});
