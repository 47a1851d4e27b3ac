import { mutate } from '../mutate.js';
import type { Random } from '../random.js';
import { CLIENT_PORT, FORK_PORT, HTTP_PORT, uuidOf } from './stand-ins.js';

const A = uuidOf(0);
const HOME = '127.0.0.1';

const SDP_LINES = [
  'v=0',
  `o=- 1 1 IN IP4 ${HOME}`,
  's=-',
  `c=IN IP4 ${HOME}`,
  't=0 0',
  'm=audio 40000 RTP/AVP 0 8 9 96 97 98 13 101',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1;maxaveragebitrate=20000;maxplaybackrate=8000;cbr=1',
  'a=rtpmap:97 L16/16000',
  'a=rtpmap:98 L16/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=ptime:20',
  'a=maxptime:60',
  'a=sendrecv',
  'a=rtcp:40001 IN IP4 127.0.0.1',
  'a=rtcp-mux',
];
const AVP = `${SDP_LINES.join('\r\n')}\r\n`;
const SAVP = `${SDP_LINES.join('\r\n').replace('RTP/AVP', 'RTP/SAVP')}
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^20|1:4
a=crypto:2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==
`;
const VIDEO = `${AVP}m=video 40002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=inactive\r\n`;
const WEB = AVP.replace('RTP/AVP', 'UDP/TLS/RTP/SAVPF').concat(
  'a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 00:11:22\r\na=setup:actpass\r\n' +
    'a=candidate:1 1 UDP 2130706431 127.0.0.1 40000 typ host\r\na=rtcp-fb:96 nack\r\na=ssrc:1 cname:x\r\n',
);
const SDPS = [AVP, SAVP, VIDEO, WEB, AVP.replaceAll('\r\n', '\n'), AVP.replace('a=sendrecv', 'a=sendonly')].map(
  (text) => Buffer.from(text),
);

/** An INVITE that is taken when its body can be. */
function invite(n: number, body: Buffer, length = body.length): Buffer {
  const head = [
    `INVITE sip:drachtio@${HOME} SIP/2.0`,
    `Via: SIP/2.0/UDP ${HOME}:5070;branch=z9hG4bKm${n};rport`,
    'Max-Forwards: 70',
    `From: "A" <sip:a@${HOME}>;tag=a${n}`,
    `To: <sip:drachtio@${HOME}>`,
    `Call-ID: m${n}@fuzz`,
    'CSeq: 1 INVITE',
    `Contact: <sip:a@${HOME}:5070>`,
    'User-Agent: drachtio-fsmrf:x',
    `X-esl-outbound: ${HOME}:${CLIENT_PORT}`,
    'Content-Type: application/sdp',
    `Content-Length: ${length}`,
    '\r\n',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head), body]);
}

/** An INVITE whose body is mutated and whose head is right. */
export function sdpOffer(n: number, random: Random): Buffer {
  return invite(n, mutate(random.pick(SDPS), random, SDPS, 1 + random.below(5)));
}

const OTHER_REQUESTS = [
  'OPTIONS',
  'INFO',
  'BYE',
  'CANCEL',
  'ACK',
  'UPDATE',
  'REGISTER',
  'NOTIFY',
  'REFER',
  'MESSAGE',
  'PRACK',
];

/** A SIP message from somebody unknown. @param traffic messages of a SIP server's suite */
export function sipMessage(n: number, random: Random, traffic: readonly Buffer[]): Buffer {
  const kind = random.below(4);
  const whole = invite(n, random.pick(SDPS));
  if (kind === 0) return mutate(random.pick(traffic), random, traffic, random.below(6));
  if (kind > 1) return mutate(whole, random, traffic, random.below(6));
  const method = random.pick(OTHER_REQUESTS);
  const text = whole.toString('latin1').replace(/INVITE/g, method);
  return mutate(Buffer.from(text, 'latin1'), random, traffic, random.below(4));
}

/** Commands of the `api`; each gets ids of calls that exist. */
const APIS = `uuid_dump ${A} json
uuid_getvar ${A} read_codec
uuid_setvar ${A} my_variable some value
uuid_setvar_multi ${A} a=1;b=2;c=3
uuid_set_media_stats ${A}
uuid_buglist ${A}
uuid_exists ${A}
uuid_break ${A} all
uuid_bridge ${A} ${uuidOf(1)}
uuid_transfer ${A} -both park inline
uuid_transfer ${A} set:a=1,playback:silence_stream://100,park inline
uuid_park ${A}
uuid_hold toggle ${A}
uuid_hold off ${A}
uuid_phone_event ${A} talk
uuid_broadcast ${A} tone_stream://%(50,50,440);loops=3 both
uuid_broadcast ${A} set::a=b aleg
uuid_audio ${A} start write level -2
uuid_audio ${A} start read mute 1
uuid_audio ${A} stop
uuid_send_dtmf ${A} 12@200+3w4
uuid_recv_dtmf ${A} 12#@100
uuid_flush_dtmf ${A}
uuid_fileman ${A} seek:+1000
uuid_fileman ${A} volume:-1
uuid_fileman ${A} speed:+1
uuid_fileman ${A} pause
uuid_record ${A} start more.wav 5
uuid_record ${A} mask more.wav
uuid_record ${A} stop all
uuid_displace ${A} start tone_stream://%(50,50,440) 5 mux
uuid_displace ${A} stop all
uuid_audio_fork ${A} start ws://${HOME}:${FORK_PORT}/x mixed 16k again {"a":1} true true 16000
uuid_audio_fork ^^|${A}|send_text|again|{"b":2}
uuid_audio_fork ${A} pause again silence
uuid_audio_fork ${A} resume again
uuid_audio_fork ${A} stop again bye
uuid_dub ${A} addTrack a
uuid_dub ${A} playOnTrack a tone_stream://%(50,50,440) loop 3
uuid_dub ${A} sayOnTrack a {vendor=x}hello
uuid_dub ${A} silenceTrack a
uuid_dub ${A} removeTrack a
uuid_vad_detect ${A} start one-shot 2 500 500 bug
uuid_vad_detect ${A} stop bug
uuid_vad_silero ${A} start continuous 0.5 500 500 bug
uuid_amd ${A} start maxWords=5 greetingMs=2000
uuid_amd ${A} stop
tone_detect ${A} fax 1100 r +5000 stop
spandsp_start_tone_detect ${A} 44
spandsp_stop_tone_detect ${A}
avmd ${A} start
avmd ${A} stop
conference fuzz list
conference fuzz json_list
conference fuzz xml_list
conference fuzz list delim |
conference fuzz play tone_stream://%(50,50,440) async
conference fuzz stop all
conference fuzz mute all
conference fuzz unmute last
conference fuzz deaf non_moderator
conference fuzz undeaf all
conference fuzz relate 1 2 nospeak
conference fuzz relate 1 2 clear
conference fuzz tag 1 coach
conference fuzz record room.wav
conference fuzz norecord all
conference fuzz recording start other.wav
conference fuzz energy all 300
conference fuzz volume_in all -2
conference fuzz volume_out 1 +1
conference fuzz agc 1 on
conference fuzz set max_members 5
conference fuzz get count
conference fuzz pin 1234
conference fuzz nopin
conference fuzz lock
conference fuzz unlock
conference fuzz dtmf all 12
conference fuzz floor 1
conference fuzz kick 3
conference fuzz transfer other 1
conference fuzz getvar a
conference fuzz setvar a b
sofia status
sofia status profile drachtio_mrf
sofia xmlstatus
status
show calls as json
show channels count
show registrations as xml
version short
uptime s
hostname
create_uuid
strepoch
module_exists mod_conference
echo some text \${variable} \${eval(x)}
eval \${hostname} \${uuid_dump(${A})}
eval uuid:${A} \${read_codec}
expr 1+2*(3-4)/5
global_setvar fuzz=1
global_getvar hostname
msleep 5
log info hello
fsctl max_sessions 2000
fsctl pause inbound
fsctl loglevel
load mod_x
reloadxml`.split('\n');

/** Commands of a connection. */
const COMMANDS = [
  'event json ALL',
  'event plain CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE CUSTOM conference::maintenance',
  'event xml all',
  'nixevent CUSTOM conference::maintenance',
  'noevents',
  `filter Unique-ID ${A}`,
  'filter delete Unique-ID',
  'filter Event-Name /^CHANNEL_(A|B)+$/',
  'linger 10',
  'nolinger',
  `myevents ${A} json`,
  'divert_events on',
  'log 7',
  'nolog',
  'connect',
  'getvar uuid',
  'resume',
  'userauth a:b',
  'sendevent CUSTOM\nEvent-Subclass: a::b\nX: y\nContent-Length: 5\n\nhello',
  `sendevent SEND_INFO\nprofile: x\nunique-id: ${A}`,
];

/** Applications with their arguments. */
const APPLICATIONS = [
  'playback tone_stream://%(50,50,440)',
  'playback {playback_terminators=none}silence_stream://200!seed.wav',
  'playback seed.ogg@@100',
  'endless_playback silence_stream://50',
  'loop_playback +2 silence_stream://50',
  'gentones %(50,50,440)|2',
  'record more.wav 1 200 1',
  'record_session more.wav +2',
  'stop_record_session more.wav',
  'play_and_get_digits 1 4 2 300 # silence_stream://50 silence_stream://10 digits ^(\\d+)$ 200',
  'read 1 4 silence_stream://50 digits 300 #',
  'sleep 50',
  'set a=b',
  'unset a',
  'multiset ^^;a=1;b=2',
  'multiunset a b',
  'export nolocal:a=b',
  'set_mute read true',
  'set_mute both false',
  'send_dtmf 123@60',
  'start_dtmf',
  'stop_dtmf',
  'start_dtmf_generate',
  'break',
  'event Event-Name=CUSTOM,Event-Subclass=a::b,X=y',
  'park',
  'conference fuzz@default+flags{mute|moderator}',
  'conference_set_auto_outcall x',
  'displace_session seed.wav mux +1',
  'tone_detect busy 480,620 r +2000',
  'spandsp_start_fax_detect silence_stream://20 2',
  'wait_for_silence 200 5 1 500',
  'avmd_start',
  'amd_start maxWords=3',
  'info',
  'log hello',
];

const SEEDS = [
  ...APIS.map((line) => `api ${line}`),
  ...APIS.map((line) => `bgapi ${line}`),
  ...COMMANDS,
  ...APPLICATIONS.flatMap((text) => {
    const [, name = '', argument = ''] = /^(\S+) ?(.*)$/s.exec(text) ?? [];
    const execute = `sendmsg ${A}\ncall-command: execute\nexecute-app-name: ${name}`;
    return [
      `${execute}\nexecute-app-arg: ${argument}\nEvent-UUID: x\nevent-lock: false\nloops: 2`,
      `${execute}\nContent-Type: text/plain\nContent-Length: ${argument.length}\n\n${argument}`,
    ];
  }),
  `sendmsg ${A}\ncall-command: hangup\nhangup-cause: USER_BUSY`,
  `sendmsg ${A}\ncall-command: unicast\nlocal-ip: ${HOME}\nlocal-port: 1`,
  `api uuid_kill ${uuidOf(2)} NORMAL_CLEARING`,
  'exit',
].map((text) => Buffer.from(text));

/** A command of somebody who knows the password. @param calls how many there are to name */
export function eslCommand(random: Random, calls: number): Buffer {
  const text = random
    .pick(SEEDS)
    .toString('latin1')
    .replaceAll(A, uuidOf(random.below(calls)));
  const bytes = mutate(Buffer.from(text, 'latin1'), random, SEEDS, Math.max(0, random.below(6) - 1));
  return random.below(50) === 0 ? bytes : Buffer.concat([bytes, Buffer.from('\n\n')]);
}

const STRANGER = [
  'auth ClueCon\n\n',
  'auth wrong\n\n',
  'userauth a@b:c\n\n',
  'api status\n\n',
  'connect\n\n',
  'exit\n\n',
].map((text) => Buffer.from(text));

/** What somebody says who does not know it. */
export function eslStranger(random: Random): Buffer {
  const bytes = mutate(random.pick(STRANGER), random, [...STRANGER, ...SEEDS], 1 + random.below(4));
  // With the right password it would be no stranger.
  return Buffer.from(bytes.toString('latin1').replace(/ClueCon\n/g, 'ClueCom\n'), 'latin1');
}

const SERVED = [
  'HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nCache-Control: max-age=60, must-revalidate\r\nETag: "a"\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nAge: 3\r\nContent-Length: $\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nExpires: Mon, 02 Jan 2106 15:04:05 GMT\r\nVary: *\r\n\r\n',
  `HTTP/1.1 302 Found\r\nLocation: http://${HOME}:${HTTP_PORT}/again\r\nContent-Length: 0\r\n\r\n`,
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
  'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/100\r\nContent-Length: $\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: $\r\n\r\n',
  'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\n',
].map((text) => Buffer.from(text));

/** What a file server answers. @param body a file */
export function httpAnswer(random: Random, body: Buffer): Buffer {
  const template = random.pick(SERVED).toString('latin1');
  const chunked = template.includes('chunked');
  const head = template.replace('$', String(body.length));
  const content = chunked
    ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')])
    : body;
  if (random.below(2) === 0)
    return mutate(Buffer.concat([Buffer.from(head), content]), random, SERVED, random.below(4));
  return Buffer.concat([mutate(Buffer.from(head), random, SERVED, 1 + random.below(3)), content]);
}

const FORK_TEXTS = [
  '{"type":"playAudio","data":{"audioContentType":"raw","sampleRate":8000,"audioContent":"AAABAAIAAwAEAA==","textContent":"x"}}',
  '{"type":"playAudio","data":{"audioContentType":"wave","audioContent":"UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="}}',
  '{"type":"killAudio"}',
  '{"type":"mark","data":{"name":"a"}}',
  '{"type":"clearMarks"}',
  '{"type":"transcription","data":{"text":"hello","final":true}}',
  '{"type":"transfer","data":{"to":"x"}}',
  '{"type":"error","data":{"reason":"x"}}',
  '{"type":"json","data":[1,2,{"a":null}]}',
  '{"__proto__":{"type":"mark"},"constructor":{"name":"x"}}',
  '[[[[[[[[[]]]]]]]]]',
  '{"type":"disconnect"}',
  'null',
].map((text) => Buffer.from(text));

const [TEXT, BINARY, CLOSE, PING, PONG, CONTINUED] = [1, 2, 8, 9, 10, 0];
const FIN = 0x80;

/** A frame as a server sends it (RFC 6455 §5.2). */
export function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.of(first, length), payload]);
  return Buffer.concat([Buffer.of(first, 126, length >> 8, length & 255), payload]);
}

/** What the server of an audio fork sends: mostly frames that are right, of what is not. */
export function forkFrames(random: Random): Buffer {
  const kind = random.below(20);
  const text = mutate(random.pick(FORK_TEXTS), random, FORK_TEXTS, random.below(4));
  if (kind < 8) return frame(FIN | TEXT, Buffer.from(text.toString('latin1'), 'utf8').subarray(0, 60_000));
  if (kind < 14) return frame(FIN | BINARY, Buffer.alloc(random.below(2000), random.below(256)));
  if (kind < 16) {
    const at = random.below(text.length + 1);
    const parts = [
      frame(TEXT, text.subarray(0, at)),
      frame(FIN | PING, Buffer.alloc(random.below(126))),
      frame(FIN | CONTINUED, text.subarray(at)),
    ];
    return Buffer.concat(parts);
  }
  if (kind === 16) return frame(FIN | random.pick([PING, PONG]), Buffer.alloc(random.below(126)));
  if (kind === 17)
    return frame(FIN | CLOSE, mutate(Buffer.of(3, 232), random, FORK_TEXTS, random.below(3)).subarray(0, 125));
  return mutate(frame(FIN | TEXT, text.subarray(0, 60_000)), random, FORK_TEXTS, 1 + random.below(4));
}
