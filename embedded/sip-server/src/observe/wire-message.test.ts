import t from 'tap';
import { maskSecrets } from './mask-secrets.js';
import { wireMessage } from './observe-rig.js';
import { readWireMessage } from './wire-message.js';

t.test('wire message: method, status and Call-ID are read, in compact and folded spellings too', async (t) => {
  const read = (...lines: string[]) => {
    const { method, status, callId } = wireMessage(lines);
    return [method, status, callId];
  };
  t.same(read('INVITE sip:a SIP/2.0', 'Call-ID: a@b', 'CSeq: 1 INVITE'), ['INVITE', 0, 'a@b']);
  t.same(read('SIP/2.0 180 Ringing', 'CSeq: 7 INVITE', 'Call-ID: a@b'), ['INVITE', 180, 'a@b']);
  t.same(read('SIP/2.0 200 OK', 'cseq :  7   BYE  ', 'i:a@b '), ['BYE', 200, 'a@b']);
  t.same(read('INVITE sip:a SIP/2.0', 'CALL-ID \t: a@b'), ['INVITE', 0, 'a@b']);
  t.same(read('INVITE sip:a SIP/2.0', 'Call-ID: čížek'), ['INVITE', 0, 'čížek']);
  t.same(read('garbage'), ['', 0, '']);
  t.same(read('SIP/2.0 abc', 'CSeq: x'), ['x', 0, '']);
});

t.test('wire message: a Call-ID in the body is none', async (t) => {
  const message = wireMessage(['MESSAGE sip:a SIP/2.0', 'CSeq: 1 MESSAGE'], { body: 'text\r\nCall-ID: b\r\n' });
  t.equal(message.callId, '');
});

t.test('wire message: what strangers send is cut to size and never throws', async (t) => {
  const long = wireMessage([`${'A'.repeat(100)} sip:a SIP/2.0`, `Call-ID: ${'x'.repeat(5_000)}`]);
  t.equal(long.method, '');
  t.equal(long.callId.length, 256);
  const endpoint = { transport: 'udp', host: '127.0.0.1', port: 1 } as const;
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(70_000, 10), Buffer.from('\r\n\r\n'), Buffer.alloc(100, 255)]) {
    t.equal(readWireMessage('in', bytes, endpoint, endpoint).callId, '');
  }
});

const masked = (lines: string[], body = ''): string => maskSecrets(wireMessage(lines, { body }).bytes).toString();

t.test('masking: digest responses are crossed out, the rest of the credentials stays readable', async (t) => {
  const text = masked(
    [
      'REGISTER sip:a SIP/2.0',
      'Authorization: Digest username="bob", realm="a", nonce="n1", uri="sip:a", response="6629fae49393a05397450978507c4ef1", cnonce="c"',
      'proxy-authorization:Digest response = deadbeef,username="bob"',
      'X-Response: response="kept"',
    ],
    'response="kept too"',
  );
  t.match(text, 'nonce="n1", uri="sip:a", response="xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", cnonce="c"');
  t.match(text, 'proxy-authorization:Digest response = xxxxxxxx,username="bob"');
  t.match(text, 'X-Response: response="kept"');
  t.match(text, 'response="kept too"');
});

t.test('masking: folded lines, other schemes, SRTP keys and passwords in URIs are crossed out too', async (t) => {
  const text = masked(
    [
      'INVITE sip:bob:secret@a SIP/2.0',
      'Authorization:\r\n Digest username="bob",\r\n\tresponse="abc123"',
      'Proxy-Authorization: Bearer abc.def.ghi',
      'AUTHORIZATION: nonsense',
      'Contact: <sip:192.0.2.1:5060;x=a@b>',
    ],
    'v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32\r\n',
  );
  t.match(text, 'INVITE sip:bob:xxxxxx@a SIP/2.0');
  t.match(text, '\r\n\tresponse="xxxxxx"');
  t.match(text, 'Bearer xxxxxxxxxxx\r\n');
  t.match(text, 'AUTHORIZATION: xxxxxxxx\r\n');
  t.match(text, '<sip:192.0.2.1:5060;x=a@b>');
  t.match(text, /inline:x{40}\|2\^20\|1:32/);
});

t.test('masking: lengths stay, bytes that are no text stay, and nothing is copied without need', async (t) => {
  const plain = wireMessage(['OPTIONS sip:a SIP/2.0', 'Call-ID: a'], { body: '\u00ff\u0000é' }).bytes;
  t.equal(maskSecrets(plain), plain);
  const secret = Buffer.concat([
    Buffer.from('A: b\r\nAuthorization: Basic aGk6aG8=\r\n\r\n'),
    Buffer.from([0, 200, 255]),
  ]);
  const result = maskSecrets(secret);
  t.equal(result.length, secret.length);
  t.same(result.subarray(-3), secret.subarray(-3));
  t.notMatch(result.toString('latin1'), 'aGk6');
});

t.test('masking: hostile headers cost linear time', async (t) => {
  const started = performance.now();
  for (const evil of [' \r\n', '\t', 'response=', '"', 'sip:a:', 'a=crypto:']) {
    maskSecrets(Buffer.from(`Authorization: Digest ${evil.repeat(65_000 / evil.length)}\r\n\r\n`));
  }
  t.ok(performance.now() - started < 2_000, `${performance.now() - started} ms`);
});
