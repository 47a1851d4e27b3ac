import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codecFormat, readWavAt } from '@ringwire/rtp';
import t from 'tap';
import { readOptions } from './options.js';
import { CODECS, loadCodecs, resemblance, speech } from './test-codecs.js';
import { comesRight, folder, refused, startServer, TestCaller, wavFile } from './test-peer.js';

t.before(loadCodecs);

for (const codec of CODECS) {
  t.test(`${codec}: a file is heard, and what is said is recorded`, async (t) => {
    const server = await startServer(t);
    const { rateHz, name } = codecFormat(codec);
    const { media, esl, uuid, dialog } = await (await TestCaller.create(t, server)).call([codec], {}, { rateHz });
    t.equal(media.agreement?.codec, codec, dialog.remoteSdp);
    const played = await wavFile(t, speech(16000), 16000);
    let score = 0;
    const isHeard = await comesRight(async () => {
      const begin = media.heard.length;
      await esl.execute(uuid, 'playback', played);
      await media.hears(200);
      score = resemblance(media.heard.subarray(begin), readWavAt(await readFile(played), rateHz), rateHz);
      return score > 0.95;
    });
    t.ok(isHeard, `heard: ${score}`);
    const path = join(await folder(t), 'said.wav');
    const said = speech(rateHz, 2);
    let found = 0;
    const isRecorded = await comesRight(async () => {
      const begun = esl.events.length;
      const recording = esl.execute(uuid, 'record', `${path} 2`);
      await esl.until(() => esl.events.slice(begun).some((event) => event['Event-Name'] === 'RECORD_START'));
      media.say(said);
      await recording;
      found = resemblance(readWavAt(await readFile(path), rateHz), said, rateHz);
      return found > 0.95;
    });
    t.ok(isRecorded, `recorded: ${found}`);
    t.equal(await esl.api(`uuid_getvar ${uuid} read_codec`), name);
    t.equal(await esl.api(`uuid_getvar ${uuid} read_rate`), String(rateHz));
    media.press('5');
    await esl.event((event) => event['Event-Name'] === 'DTMF' && event['DTMF-Digit'] === '5');
    await esl.api(`uuid_send_dtmf ${uuid} 42@100`);
    await media.until(() => media.digits.length === 2);
    t.same(media.digits, ['4', '2']);
  });
}

t.test('only the codecs of --codecs are taken, and offered in its order', async (t) => {
  const server = await startServer(t, ['--codecs', 'G722,PCMA']);
  const caller = await TestCaller.create(t, server);
  await refused(t, 488, caller.call(['PCMU']));
  await refused(t, 488, caller.call(['opus']));
  const { media } = await caller.call(['PCMU', 'PCMA', 'G722']);
  t.equal(media.agreement?.codec, 'PCMA', "the offer's order counts");
  t.same(readOptions(['--codecs', 'opus,l16,PCMU,opus']).codecs, ['opus', 'L16@8000h', 'PCMU']);
  t.throws(() => readOptions(['--codecs', 'PCMU,G729']), { message: /--codecs: expected names of PCMU, .*, got G729/ });
});

t.test('what an answer says of Opus, G.722, events and comfort noise', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const answerTo = async (...lines: string[]): Promise<string[]> => {
    const media = await caller.call(['PCMU']);
    await media.dialog.reinvite(
      ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...lines, ''].join('\r\n'),
    );
    return media.dialog.remoteSdp.split('\r\n').filter((line) => /^(m|a)=/.test(line));
  };
  const opus = await answerTo(
    'm=audio 40000 RTP/AVP 111 110 126 0',
    'a=rtpmap:111 opus/48000/2',
    'a=fmtp:111 minptime=10;useinbandfec=1',
    'a=rtpmap:110 telephone-event/48000',
    'a=rtpmap:126 telephone-event/8000',
  );
  t.match(opus[0], /RTP\/AVP 111 110$/);
  t.match(opus, [
    /./,
    'a=rtpmap:111 opus/48000/2',
    /a=fmtp:111 .*useinbandfec=1/,
    'a=rtpmap:110 telephone-event/48000',
    'a=fmtp:110 0-16',
    'a=ptime:20',
    'a=sendrecv',
  ]);
  const noise = await answerTo(
    'm=audio 40000 RTP/AVP 13 9 101',
    'a=rtpmap:101 telephone-event/8000',
    'a=ptime:40',
    'a=maxptime:30',
  );
  t.match(noise, [
    /RTP\/AVP 9 13 101$/,
    'a=rtpmap:9 G722/8000',
    'a=rtpmap:13 CN/8000',
    /101 telephone-event/,
    /101/,
    'a=ptime:30',
  ]);
  const odd = await answerTo('m=audio 40000 RTP/AVP 97', 'a=rtpmap:97 opus/48000/2', 'a=ptime:30', 'a=maxptime:x');
  t.match(odd, [/RTP\/AVP 97$/, /opus/, /fmtp/, 'a=ptime:20']);
});
