import { test } from 'tap';
import { readNumber, readSender } from './address.js';
import { readDeliveryReceipt } from './delivery-receipt.js';
import { decodeGsm7 } from './gsm7.js';
import { concatenationHeader, isSendable, MAX_SEGMENTS, segmentText } from './segment.js';
import { readUserData } from './user-data.js';

/** Sends a text through the air: what a phone would show. */
const overTheAir = (text: string): string => {
  const { encoding, segments } = segmentText(text);
  return segments
    .map((body, index) => {
      const header = segments.length > 1 ? concatenationHeader(7, segments.length, index + 1) : Buffer.alloc(0);
      return readUserData(Buffer.concat([header, body]), encoding === 'gsm7' ? 0 : 8, header.length > 0).text;
    })
    .join('');
};

test('segments: a text of the GSM alphabet takes 160 septets alone and 153 in parts', async (t) => {
  for (const [length, segments] of [
    [0, 1],
    [1, 1],
    [160, 1],
    [161, 2],
    [306, 2],
    [307, 3],
    [MAX_SEGMENTS * 153, MAX_SEGMENTS],
  ] as const) {
    const cut = segmentText('a'.repeat(length));
    t.equal(cut.encoding, 'gsm7');
    t.equal(cut.segments.length, segments, `${length} characters`);
    t.ok(cut.segments.every((part) => part.length <= (segments === 1 ? 160 : 153)));
  }
});

test('segments: other texts take 70 code units alone and 67 in parts', async (t) => {
  for (const [length, segments] of [
    [70, 1],
    [71, 2],
    [134, 2],
    [135, 3],
  ] as const) {
    const cut = segmentText('ж'.repeat(length));
    t.equal(cut.encoding, 'ucs2');
    t.equal(cut.segments.length, segments, `${length} characters`);
  }
});

test('segments: characters of the extension table count twice and are not divided', async (t) => {
  t.equal(segmentText('€'.repeat(80)).segments.length, 1);
  t.equal(segmentText('€'.repeat(81)).segments.length, 2);
  // 152 septets and one that takes two: the second part begins with its escape.
  const { segments } = segmentText(`${'a'.repeat(152)}€${'b'.repeat(20)}`);
  t.equal(segments[0]?.length, 152);
  t.same([...segments[1]!.subarray(0, 2)], [0x1b, 0x65]);
});

test('segments: a surrogate pair is not divided', async (t) => {
  const { segments } = segmentText(`${'ж'.repeat(66)}😀${'ж'.repeat(10)}`);
  t.equal(segments[0]?.length, 66 * 2);
  t.equal(segments[1]?.subarray(0, 4).swap16().toString('utf16le'), '😀');
});

test('segments: every text arrives as it was, through headers and alphabets', async (t) => {
  const alphabet = Array.from({ length: 128 }, (_, octet) => octet).filter((octet) => octet !== 0x1b);
  const texts = [
    decodeGsm7(Uint8Array.from(alphabet)),
    '^{}\\[~]|€\f'.repeat(40),
    '👩‍👩‍👧‍👦 déjà vu — ñandú'.repeat(12),
    'ключ',
    'a\u0000b',
  ];
  for (const text of texts) t.equal(overTheAir(text), text);
});

test('segments: texts that no carrier takes are told', async (t) => {
  t.ok(isSendable('a'.repeat(MAX_SEGMENTS * 153)));
  t.notOk(isSendable('a'.repeat(MAX_SEGMENTS * 153 + 1)));
  t.notOk(isSendable('ж'.repeat(MAX_SEGMENTS * 67 + 1)));
  t.notOk(isSendable('€'.repeat(MAX_SEGMENTS * 76 + 1)));
});

test('user data: references of 8 and of 16 bits are read; broken headers are text', async (t) => {
  const body = Buffer.from('hi');
  const read = (header: number[]) => readUserData(Buffer.concat([Buffer.from(header), body]), 0, true);
  t.same(read([5, 0, 3, 9, 2, 1]), { text: 'hi', concatenation: { reference: 9, total: 2, part: 1 } });
  t.same(read([6, 8, 4, 1, 2, 3, 2]).concatenation, { reference: 258, total: 3, part: 2 });
  t.same(
    read([11, 5, 4, 0, 80, 0, 80, 0, 3, 9, 2, 2]).concatenation,
    { reference: 9, total: 2, part: 2 },
    'with ports',
  );
  t.equal(read([5, 0, 3, 9, 2, 3]).concatenation, null, 'part 3 of 2');
  t.equal(read([5, 0, 3, 9, 2, 0]).concatenation, null, 'part 0');
  t.equal(read([5, 0, 255, 9, 2, 1]).concatenation, null, 'an element longer than its header');
  t.equal(read([0]).text, 'hi', 'an empty header');
  t.equal(readUserData(Buffer.from([200, 1]), 0, true).concatenation, null, 'a header longer than the message');
  t.same(readUserData(Buffer.alloc(0), 8, true), { text: '', concatenation: null });
});

test('user data: alphabets by data_coding; half a character and binary do not break it', async (t) => {
  const read = (octets: Buffer, coding: number) => readUserData(octets, coding, false).text;
  t.equal(read(Buffer.from([0, 0x11]), 0), '@_');
  t.equal(read(Buffer.from([0xe9]), 3), 'é');
  t.equal(read(Buffer.from([0x04, 0x36, 0x04]), 8), 'ж');
  t.equal(read(Buffer.from([0x48]), 0xf0), 'H');
  t.equal(read(Buffer.from([0xde, 0xad]), 4), 'dead');
  t.equal(read(Buffer.from([0x1b, 0x41, 0x1b]), 0), 'A', 'an escape that leads nowhere');
  t.equal(read(Buffer.from([200]), 0), '\u{fffd}');
});

test('receipts: by text in any order, by TLVs, and not at all', async (t) => {
  const text = 'id:a1 sub:001 dlvrd:001 submit date:2611220100 done date:2611220101 stat:DELIVRD err:000 text:hello';
  t.same(readDeliveryReceipt(text), { carrierMessageId: 'a1', state: 'delivered', detail: 'DELIVRD 000' });
  t.match(readDeliveryReceipt('stat:undeliverable ERR:011 ID:b2'), { carrierMessageId: 'b2', state: 'failed' });
  t.match(readDeliveryReceipt('', { receiptedMessageId: 'c3', messageState: 3 }), {
    state: 'failed',
    detail: 'EXPIRED',
  });
  t.match(readDeliveryReceipt('id:d4 stat:ENROUTE'), { state: 'pending' });
  for (const broken of [
    '',
    'id:',
    'id: stat:DELIVRD',
    'stat:DELIVRD',
    'id:x stat:',
    'id:x stat:NONSENSE',
    '\u0000\uffff',
  ]) {
    t.equal(readDeliveryReceipt(broken), undefined, JSON.stringify(broken));
  }
  t.equal(readDeliveryReceipt('id:x stat:DELIVRD', { messageState: 99 }), undefined);
});

test('addresses: numbers as people write them, names as senders only', async (t) => {
  t.equal(readNumber('+1 (555) 123-4567'), '15551234567');
  t.equal(readNumber('12345'), '12345');
  for (const bad of ['', '+', '12', '1234567890123456', '555x', 'Ringwire']) t.equal(readNumber(bad), undefined, bad);
  t.equal(readSender('Ringwire'), 'Ringwire');
  t.equal(readSender('+15551234567'), '15551234567');
  for (const bad of ['', 'a name that is long', 'Zoë', '<b>', '1 !']) t.equal(readSender(bad), undefined, bad);
});
