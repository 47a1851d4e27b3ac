import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { HmacSha1 } from './hmac-sha1.js';
import { createRtpPacket, parseRtp, writeRtp } from './packet.js';
import { parseCrypto } from './sdes.js';
import { SRTP_OVERHEAD_BYTES, SrtpContext } from './srtp.js';
import { createSrtpKey, deriveKeys, SRTP_SUITES, type SrtpKey } from './srtp-keys.js';

function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s/g, ''), 'hex');
}

function rtp(sequence: number, ssrc = 0x1234, payload = Buffer.alloc(160, sequence & 0xff)): Buffer {
  const packet = Buffer.alloc(12 + payload.length);
  writeRtp(packet, { marker: false, payloadType: 0, sequence, timestamp: sequence * 160, ssrc }, payload);
  return packet;
}

function protect(context: SrtpContext, packet: Buffer): Buffer {
  const room = Buffer.concat([packet, Buffer.alloc(SRTP_OVERHEAD_BYTES)]);
  return Buffer.from(room.subarray(0, context.protect(room, packet.length)));
}

/** The packet inside, or undefined when it is refused. */
function open(context: SrtpContext, packet: Buffer): Buffer | undefined {
  const copy = Buffer.from(packet);
  const length = context.unprotect(copy);
  return length < 0 ? undefined : copy.subarray(0, length);
}

function pair(suite = SRTP_SUITES[1]!, mki?: SrtpKey['mki']): [SrtpContext, SrtpContext] {
  const key = { ...createSrtpKey(suite), ...(mki ? { mki } : {}) };
  return [new SrtpContext(key), new SrtpContext(key)];
}

t.test('srtp: HMAC-SHA1 is that of node for every length', (t) => {
  const key = randomBytes(20);
  const mac = new HmacSha1(key);
  const out = Buffer.alloc(20);
  for (let length = 0; length < 300; length++) {
    const bytes = randomBytes(length);
    mac.sign(bytes, length, out, 0);
    if (!out.equals(createHmac('sha1', key).update(bytes).digest())) t.fail(`length ${length}`);
  }
  t.end();
});

t.test('srtp: keys are derived as in RFC 3711 appendix B.3', (t) => {
  const keys = deriveKeys(hex('E1F97A0D3E018BE0D64FA32C06DE4139'), hex('0EC675AD498AFEEBB6960B3AABE6'), false);
  t.equal(keys.encryption.toString('hex'), 'c61e7a93744f39ee10734afe3ff7a087');
  t.equal(keys.salt.toString('hex'), '30cbbc08863d8c85d49db34a9ae1');
  t.equal(keys.authentication.toString('hex'), 'cebe321f6ff7716b6fd4ab49af256a156d38baa4');
  t.end();
});

t.test('srtp: a packet protected by libsrtp under the key of its own test is the same here', (t) => {
  // The reference packet that the SRTP implementations of this field share: 28 bytes, AES_CM_128_HMAC_SHA1_80.
  const key = hex('e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6').toString('base64');
  const plain = hex('800f1234decafbadcafebabe abababab abababab abababab abababab');
  const secured = hex('800f1234decafbadcafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc99ea179b8dbb');
  const context = new SrtpContext({ suite: 'AES_CM_128_HMAC_SHA1_80', keySalt: key });
  t.equal(protect(context, plain).toString('hex'), secured.toString('hex'));
  t.equal(
    open(new SrtpContext({ suite: 'AES_CM_128_HMAC_SHA1_80', keySalt: key }), secured)?.toString('hex'),
    plain.toString('hex'),
  );
  t.end();
});

for (const suite of SRTP_SUITES) {
  for (const mki of [undefined, { value: 5, bytes: 4 }]) {
    t.test(`srtp: ${suite.name}${mki ? ' with MKI' : ''} there and back, RTP and RTCP`, (t) => {
      const [sender, receiver] = pair(suite, mki);
      for (const sequence of [100, 101, 103, 102]) {
        const secured = protect(sender, rtp(sequence));
        t.equal(secured.length, 172 + suite.tagBytes + (mki ? 4 : 0));
        t.notOk(secured.subarray(12, 172).equals(rtp(sequence).subarray(12)), 'the payload is not readable');
        t.same(open(receiver, secured), rtp(sequence));
      }
      const report = Buffer.concat([hex('80c80006 00001234'), randomBytes(20)]);
      const room = Buffer.concat([report, Buffer.alloc(SRTP_OVERHEAD_BYTES)]);
      const secured = Buffer.from(room.subarray(0, sender.protectRtcp(room, report.length)));
      const again = Buffer.from(secured);
      const length = receiver.unprotectRtcp(secured);
      t.same(secured.subarray(0, length), report);
      t.equal(receiver.unprotectRtcp(again), -1, 'a report that was seen already');
      t.end();
    });
  }

  t.test(`srtp: ${suite.name}: replayed, damaged, shortened packets and those under another key are refused`, (t) => {
    const [sender, receiver] = pair(suite);
    const first = protect(sender, rtp(1));
    t.ok(open(receiver, first));
    t.notOk(open(receiver, first), 'seen already');
    const second = protect(sender, rtp(2));
    for (let at = 0; at < second.length; at++) {
      const damaged = Buffer.from(second);
      damaged[at]! ^= 1;
      if (open(receiver, damaged)) t.fail(`byte ${at} changed`);
    }
    for (let length = 0; length < second.length; length++) {
      if (open(receiver, second.subarray(0, length))) t.fail(`cut to ${length}`);
    }
    t.notOk(open(pair(suite)[1], second), 'another key');
    t.ok(open(receiver, second), 'none of this harms the real one');
    t.end();
  });
}

t.test('srtp: the roll-over counter follows 200,000 packets, with losses and swaps at the turn', (t) => {
  const [sender, receiver] = pair();
  let opened = 0;
  let held: Buffer | undefined;
  for (let i = 0; i < 200_000; i++) {
    const sequence = i & 0xffff;
    const isTurn = sequence < 7 || sequence > 65530;
    if (!isTurn && i % 500 !== 0) {
      // The counter needs only to see now and then that time goes on.
      sender.protect(Buffer.concat([rtp(sequence, 0x1234, Buffer.alloc(1)), Buffer.alloc(SRTP_OVERHEAD_BYTES)]), 13);
      continue;
    }
    const secured = protect(sender, rtp(sequence, 0x1234, Buffer.alloc(4)));
    if (isTurn && sequence % 2 === 1) {
      held = secured;
      continue;
    }
    if (open(receiver, secured)) opened++;
    else t.fail(`packet ${i}`);
    if (held && !open(receiver, held)) t.fail(`the one before ${i}`);
    held = undefined;
  }
  t.ok(opened > 400);
  t.end();
});

t.test('srtp: forged packets of many sources cost no memory and shut nobody out', (t) => {
  const [sender, receiver] = pair();
  t.ok(open(receiver, protect(sender, rtp(65000))));
  const forger = pair()[0];
  for (let ssrc = 1; ssrc < 2000; ssrc++) t.notOk(open(receiver, protect(forger, rtp(1, ssrc, Buffer.alloc(4)))));
  t.ok(open(receiver, protect(sender, rtp(65001))));
  t.end();
});

t.test('srtp: random bytes never throw', (t) => {
  const packet = createRtpPacket();
  for (const suite of SRTP_SUITES) {
    const receiver = pair(suite)[1];
    for (let i = 0; i < 3000; i++) {
      const bytes = randomBytes(i % 80);
      if (bytes.length > 0 && i % 2) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
      if (receiver.unprotect(Buffer.from(bytes)) >= 0 || receiver.unprotectRtcp(Buffer.from(bytes)) >= 0) t.fail();
      parseRtp(bytes, packet);
    }
  }
  t.end();
});

t.test('sdes: a=crypto is read, and what cannot be done is not taken', (t) => {
  const key = randomBytes(30).toString('base64');
  const read = (line: string): unknown => parseCrypto(line);
  t.match(read(`crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}`), { tag: 1, key: { keySalt: key } });
  t.match(read(`crypto:7 aes_cm_128_hmac_sha1_32 inline:${key}|2^20|1:4`), {
    tag: 7,
    key: { suite: 'AES_CM_128_HMAC_SHA1_32', mki: { value: 1, bytes: 4 } },
  });
  t.ok(read(`crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}|2^20 WSH=64`));
  for (const bad of [
    `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key} UNENCRYPTED_SRTP`,
    `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key} KDR=1`,
    `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}|1:0`,
    `crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key.slice(4)}`,
    `crypto:1 F8_128_HMAC_SHA1_80 inline:${key}`,
    'crypto:1 AES_CM_128_HMAC_SHA1_80 inline:',
    'crypto:1',
    'cryptonomicon',
  ]) {
    t.equal(read(bad), undefined, bad);
  }
  t.end();
});
