import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'tap';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';
import type { SignedRequest } from './vendor.js';

const request = (
  headers: Record<string, string>,
  more: Partial<SignedRequest> & { body?: string } = {},
): SignedRequest => {
  const { body = '', ...rest } = more;
  return {
    urls: ['https://mycompany.com/myapp.php?foo=1&bar=2'],
    header: (name) => headers[name.toLowerCase()] ?? '',
    isForm: true,
    rawBody: Buffer.from(body),
    ...rest,
  };
};

test("twilio: a form is signed with its URL and its fields, by Twilio's own example", async (t) => {
  const body = 'Digits=1234&To=%2B18005551212&From=%2B12349013030&Caller=%2B12349013030&CallSid=CA1234567890ABCDE';
  const headers = { 'x-twilio-signature': '0/KCTR6DLpKmkAf8muzZqo1nDgQ=' };
  const isGenuine = (more: object = {}, secret = '12345', with_ = headers) =>
    twilio.isGenuine(request(with_, { body, ...more }), secret, 0);
  t.ok(isGenuine());
  t.notOk(isGenuine({}, '12346'), 'another token');
  t.notOk(isGenuine({ body: `${body}&Body=x` }), 'another field');
  t.notOk(isGenuine({ urls: ['https://mycompany.com/myapp.php?foo=1'] }), 'another URL');
  t.ok(
    isGenuine({ urls: ['http://10.0.0.1/', 'https://mycompany.com:443/myapp.php?foo=1&bar=2'] }),
    'one of several, with port',
  );
  t.notOk(twilio.isGenuine(request({}, { body }), '12345', 0), 'not signed');
});

test('twilio: another body is signed by its hash in the URL', async (t) => {
  const body = '{"a":1}';
  const hash = createHash('sha256').update(body).digest('hex');
  const url = `https://api.example.com/v1/messaging/c/t?bodySHA256=${hash}`;
  const headers = { 'x-twilio-signature': createHmac('sha1', 'token').update(url).digest('base64') };
  const options = { urls: [url], isForm: false };
  t.ok(twilio.isGenuine(request(headers, { ...options, body }), 'token', 0));
  t.notOk(twilio.isGenuine(request(headers, { ...options, body: '{"a":2}' }), 'token', 0));
});

test('telnyx: the body is signed with the time, by a key that the portal shows', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
  const body = '{"data":{}}';
  const at = 1_700_000_000;
  const headers = {
    'telnyx-timestamp': `${at}`,
    'telnyx-signature-ed25519': sign(null, Buffer.from(`${at}|${body}`), privateKey).toString('base64'),
  };
  const isGenuine = (changes: Record<string, string> = {}, nowMs = at * 1_000, text = body, secret = key) =>
    telnyx.isGenuine(request({ ...headers, ...changes }, { body: text, isForm: false }), secret, nowMs);
  t.ok(isGenuine());
  t.ok(isGenuine({}, at * 1_000 + 299_000));
  t.notOk(isGenuine({}, at * 1_000 + 301_000), 'a copy');
  t.notOk(isGenuine({}, at * 1_000, '{"data":1}'), 'another body');
  t.notOk(isGenuine({ 'telnyx-timestamp': `${at + 1}` }), 'another time');
  t.notOk(isGenuine({ 'telnyx-timestamp': '' }));
  t.notOk(isGenuine({ 'telnyx-signature-ed25519': 'AA==' }));
  t.notOk(isGenuine({}, at * 1_000, body, 'no key'));
  t.equal(telnyx.secretProblem(key), undefined);
  t.match(telnyx.secretProblem('12345'), /public key/);
});
