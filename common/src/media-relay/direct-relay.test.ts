import t from 'tap';
import { RelayRefusedError } from './errors.js';
import { BROWSER } from './media-profile.js';
import { directRelay } from './media-relay.js';

t.test('without rtpengine media flows direct, but for browsers, who are refused with the reason', async (t) => {
  const session = directRelay().session('call');
  const plain = 'm=audio 4000 RTP/AVP 0\r\n';
  t.equal(await session.offer('a', plain, 'tag'), plain);
  const refused = { name: 'RelayRefusedError', message: /RTPENGINE_HOST/ };
  await t.rejects(session.offer('a', 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n', 'tag'), refused);
  await t.rejects(session.offer('a', plain, 'tag', BROWSER), RelayRefusedError);
});
