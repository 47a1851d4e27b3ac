import { dtmfFrequencies, goertzel, tone } from '@ringwire/rtp';
import t from 'tap';
import { infoDigitBody, readInfoDigit } from './sip/info-digits.js';
import { comesRight, startServer, TestCaller } from './test-peer.js';

/** A dial string as sound. */
function keys(digits: string, onMs = 60, offMs = 60): Int16Array {
  const out = new Int16Array(digits.length * (onMs + offMs) * 8);
  [...digits].forEach((digit, i) => {
    out.set(tone(dtmfFrequencies(digit)!, onMs, -6), i * (onMs + offMs) * 8);
  });
  return out;
}

t.test('digits that come as tones become events after start_dtmf, and none after stop_dtmf', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  await esl.execute(uuid, 'start_dtmf');
  await esl.execute(uuid, 'start_dtmf');
  const digits = () => esl.events.filter((event) => event['Event-Name'] === 'DTMF');
  const isRight = await comesRight(async () => {
    const begun = digits().length;
    media.say(keys('147*#AD'));
    await media.said();
    await media.hears(500);
    const found = digits().slice(begun);
    t.comment(found.map((event) => `${event['DTMF-Digit']} ${event['DTMF-Duration']}`).join(', '));
    return (
      found.map((event) => event['DTMF-Digit']).join('') === '147*#AD' &&
      // Loose: where packets come late, what was lost is concealed with more of the same tone.
      found.every((event) => Math.abs(Number(event['DTMF-Duration']) - 480) <= 240)
    );
  });
  t.ok(isRight, 'each digit once, as long as it was');
  t.match(digits()[0], { 'DTMF-Source': 'INBAND_AUDIO' });
  await esl.execute(uuid, 'stop_dtmf');
  const before = digits().length;
  media.say(keys('99'));
  await media.hears(700);
  t.equal(digits().length, before);
});

t.test(
  'digits are sent as tones with ~ after start_dtmf_generate write, with their pauses, and as events without',
  async (t) => {
    const server = await startServer(t);
    const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
    await esl.execute(uuid, 'start_dtmf_generate', 'write');
    const areRight = await comesRight(async () => {
      const from = media.heard.length;
      t.equal(await esl.api(`uuid_send_dtmf ${uuid} ~5w0@100`), `+OK ${uuid} sent DTMF ~5w0@100.\n`);
      await media.hears(1300);
      const heard = media.heard.subarray(from);
      const level = (hz: number, atMs: number): number => goertzel(heard, hz, 8000, atMs * 8, atMs * 8 + 320);
      let five = 0;
      while (level(770, five) < 3000 && five < 600) five += 5;
      const isFive = level(770, five + 20) > 8000 && level(1336, five + 20) > 8000 && level(941, five + 20) < 1500;
      // Then a pause: 100 ms, 60 ms between digits and half a second.
      const isZero = level(941, five + 690) > 8000 && level(1336, five + 690) > 8000;
      return isFive && level(770, five + 200) < 10 && isZero;
    });
    t.ok(areRight, 'the tones of 5, a pause, the tones of 0');
    t.same(media.digits, [], 'and no telephone event');
    const told = esl.events.filter((event) => event['Event-Name'] === 'DTMF').slice(-2);
    t.match(told, [
      { 'DTMF-Digit': '5', 'DTMF-Duration': '800', 'DTMF-Conversion': 'native:inband' },
      { 'DTMF-Digit': '0', 'DTMF-Source': 'APP' },
    ]);
    await esl.api(`uuid_send_dtmf ${uuid} 7@100`);
    await media.until(() => media.digits.length >= 1);
    t.same(media.digits, ['7']);
    await esl.execute(uuid, 'stop_dtmf_generate');
    await esl.api(`uuid_send_dtmf ${uuid} ~8@100`);
    await media.until(() => media.digits.length >= 2);
    t.same(media.digits, ['7', '8']);
  },
);

t.test('INFO: both content types become digits, and dtmf_type=info sends them so', async (t) => {
  const server = await startServer(t);
  const { dialog, esl, uuid } = await (await TestCaller.create(t, server)).call();
  await dialog.info({ contentType: 'application/dtmf-relay', body: 'Signal=5\r\nDuration=160\r\n' });
  await dialog.info({ contentType: 'application/dtmf-relay', body: 'Signal= 11\r\nDuration= 20\r\n' });
  await dialog.info({ contentType: 'application/dtmf', body: '8' });
  await dialog.info({ contentType: 'text/plain', body: '8' });
  const digits = () => esl.events.filter((event) => event['Event-Name'] === 'DTMF');
  await esl.until(() => digits().length === 3);
  t.same(
    digits().map((event) => [event['DTMF-Digit'], event['DTMF-Duration'], event['DTMF-Source']]),
    [
      ['5', '1280', 'ENDPOINT'],
      ['#', '400', 'ENDPOINT'],
      ['8', '2000', 'ENDPOINT'],
    ],
  );
  const bodies: string[] = [];
  const both = new Promise<void>((resolve) => {
    dialog.on('info', (request, transaction) => {
      bodies.push(request.bodyText);
      transaction.reply(200);
      if (bodies.length === 2) resolve();
    });
  });
  await esl.execute(uuid, 'set', 'dtmf_type=info');
  await esl.execute(uuid, 'send_dtmf', '3#@120');
  await both;
  t.same(bodies, [infoDigitBody('3', 120), infoDigitBody('#', 120)]);
});

t.test('what an INFO may hold', (t) => {
  t.same(readInfoDigit('Application/DTMF-Relay; x=y', 'Duration=90\nSignal=d'), { digit: 'D', durationMs: 90 });
  t.same(readInfoDigit('application/dtmf', '16'), { digit: 'F', durationMs: 250 });
  for (const body of ['', 'Signal=', 'Signal=x', 'Signal=17', 'Signal=123']) {
    t.equal(readInfoDigit('application/dtmf-relay', body), undefined, JSON.stringify(body));
  }
  t.end();
});

t.test('uuid_recv_dtmf is as if pressed; nonsense is refused', async (t) => {
  const server = await startServer(t);
  const { esl, uuid } = await (await TestCaller.create(t, server)).call();
  t.equal(await esl.api(`uuid_recv_dtmf ${uuid} 1b@100+#`), `+OK ${uuid} received DTMF 1b@100+#.\n`);
  await esl.event((event) => event['DTMF-Digit'] === '#');
  t.same(
    esl.events
      .filter((e) => e['Event-Name'] === 'DTMF')
      .map((e) => [e['DTMF-Digit'], e['DTMF-Duration'], e['DTMF-Source']]),
    [
      ['1', '800', 'APP'],
      ['b', '800', 'APP'],
      ['#', '2000', 'APP'],
    ],
  );
  t.equal(await esl.api(`uuid_recv_dtmf ${uuid} xyz`), '-USAGE: <uuid> <dtmf_data>\n');
  t.equal(await esl.api(`uuid_send_dtmf ${uuid} xyz`), '-ERR Operation failed\n');
  t.equal(await esl.api(`uuid_send_dtmf ${uuid} ${'1'.repeat(100)}`), '-ERR Operation failed\n');
  t.equal(await esl.api(`uuid_flush_dtmf ${uuid}`), '+OK\n');
});

t.test('bridged: events pass to events, tones to events, events to the tones of a peer without them', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const [a, b] = [await caller.call(), await caller.call()];
  await a.esl.execute(a.uuid, 'start_dtmf');
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  a.media.press('12');
  await b.media.until(() => b.media.digits.length >= 2);
  t.same(b.media.digits, ['1', '2']);
  a.media.say(keys('9'));
  await b.media.until(() => b.media.digits.length >= 3);
  t.same(b.media.digits, ['1', '2', '9']);
  await b.esl.execute(b.uuid, 'start_dtmf_generate', 'write');
  const from = b.media.heard.length;
  const loudest = (heard: Int16Array, hz: number, begin: number): number => {
    let best = 0;
    for (let at = begin; at + 400 < heard.length; at += 80)
      best = Math.max(best, goertzel(heard, hz, 8000, at, at + 400));
    return best;
  };
  a.media.press('6');
  await b.media.hearsThat('the tone of 6', (heard) => loudest(heard, 770, from) > 7000);
  t.equal(b.media.digits.length, 3);
  await b.esl.execute(b.uuid, 'stop_dtmf_generate');
  await a.esl.execute(a.uuid, 'stop_dtmf');
  await a.esl.execute(a.uuid, 'start_dtmf_generate');
  const later = b.media.heard.length;
  a.media.press('0');
  await b.media.hearsThat('without write those become tones that the peer itself presses', (heard) => {
    return loudest(heard, 941, later) > 7000;
  });
  t.equal(b.media.digits.length, 3);
});
