import t from 'tap';
import { profileOf, relayParams } from './media-profile.js';

t.test('the profile of a leg follows what its offer asks for', async (t) => {
  t.equal(profileOf('v=0\r\nm=audio 4000 RTP/AVP 0\r\n'), 'plain');
  t.equal(profileOf('v=0\r\nm=audio 4000 RTP/SAVP 0\r\n'), 'srtp');
  t.equal(profileOf('v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n'), 'webrtc');
  t.equal(profileOf('v=0\r\nm=audio 9 RTP/SAVPF 0\r\n'), 'webrtc');
  t.equal(profileOf('rubbish'), 'plain');
});

t.test('parameters are not shared between calls', async (t) => {
  const first = relayParams('plain');
  t.match(first, { 'transport-protocol': 'RTP/AVP', ICE: 'remove', flags: ['port latching'], 'rtcp-mux': ['accept'] });
  (first.flags as string[]).push('changed');
  t.same(relayParams('plain').flags, ['port latching']);
});
