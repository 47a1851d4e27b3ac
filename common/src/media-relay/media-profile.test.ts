import t from 'tap';
import { BROWSER, codecParams, type FarMedia, profileOf, relayParams } from './media-profile.js';

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

const OPUS = 'm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n';
const G711 = 'm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n';

t.test('between a browser and the rest Opus turns into G.711, with keys on both sides', async (t) => {
  const telephony = ['PCMU', 'PCMA', 'telephone-event'];
  t.same(codecParams(OPUS, 'webrtc', 'plain').codec, { strip: ['all'], consume: ['opus'], transcode: telephony });
  t.same(
    codecParams(G711.replace('RTP/AVP', 'RTP/SAVPF'), 'webrtc', 'plain').codec,
    { mask: ['all'], transcode: telephony },
    'a browser without Opus',
  );
  for (const browser of ['webrtc', BROWSER] as const) {
    t.same(codecParams(G711, 'plain', browser).codec, {
      strip: ['all'],
      consume: ['PCMU', 'PCMA'],
      transcode: ['opus', 'telephone-event'],
    });
  }
  t.same(codecParams(OPUS, 'webrtc', BROWSER), {}, 'between browsers nothing is transcoded');
  t.same(codecParams(G711, 'plain', 'srtp'), {});
});

t.test('the codecs of a carrier count, whoever calls', async (t) => {
  const carrier: FarMedia = { ...BROWSER, profile: 'plain', codecs: ['PCMA'] };
  const codec = { strip: ['all'], offer: ['PCMA', 'telephone-event'], transcode: ['PCMA'] };
  t.same(codecParams(OPUS, 'webrtc', carrier), { codec });
});

t.test('a browser that is called is offered ICE, DTLS and one port', async (t) => {
  t.match(relayParams(BROWSER), {
    'transport-protocol': 'UDP/TLS/RTP/SAVPF',
    ICE: 'force',
    SDES: 'off',
    'rtcp-mux': ['require'],
  });
});

t.test('who hears keys as tones is offered no telephone events; who calls him from there has them', async (t) => {
  const carrier: FarMedia = { ...BROWSER, profile: 'plain', keys: 'tones' };
  t.same(codecParams(G711, 'plain', carrier).codec, { consume: ['telephone-event'] });
  t.same(codecParams(OPUS, 'webrtc', carrier).codec, {
    strip: ['all'],
    consume: ['opus', 'telephone-event'],
    transcode: ['PCMU', 'PCMA'],
  });
  t.same(codecParams(G711, 'plain', { ...carrier, codecs: ['PCMA'] }).codec, {
    strip: ['all'],
    offer: ['PCMA'],
    consume: ['telephone-event'],
    transcode: ['PCMA'],
  });
  t.same(codecParams(G711, carrier, 'plain').codec, { transcode: ['telephone-event'] }, 'his re-INVITE');
});

t.test('a carrier over SRTP is offered no suite that does not encrypt, with padding where it wants that', async (t) => {
  const encrypted = ['no-NULL_HMAC_SHA1_80', 'no-NULL_HMAC_SHA1_32'];
  const carrier: FarMedia = { profile: 'srtp', padCrypto: false, removeIce: true, dtlsOff: true, codecs: [] };
  t.match(relayParams(carrier), { 'transport-protocol': 'RTP/SAVP', SDES: encrypted });
  t.same(relayParams({ ...carrier, padCrypto: true }).SDES, [...encrypted, 'pad']);
});
