import t from 'tap';
import { withCodecs } from './chosen-codecs.js';

const lines = (...text: string[]): string => [...text, ''].join('\r\n');
const OFFER = lines(
  'v=0',
  'm=audio 4000 RTP/AVP 0 8 9 102 101',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:102 opus/48000/2',
  'a=fmtp:102 useinbandfec=1',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=sendrecv',
);

t.test('an offer names the codecs that are wanted, in their order, and keys', async (t) => {
  t.equal(
    withCodecs(OFFER, ['g722', 'PCMU']),
    lines(
      'v=0',
      'm=audio 4000 RTP/AVP 9 0 101',
      'a=rtpmap:9 G722/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-16',
      'a=sendrecv',
    ),
  );
});

t.test('with a codec that the media server has not, no offer is made of the list', async (t) => {
  t.equal(withCodecs(OFFER, ['PCMU', 'SPEEX']), undefined);
  t.equal(withCodecs('v=0', ['PCMU']), undefined);
});
