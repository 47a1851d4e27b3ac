import { createHmac } from 'node:crypto';
import t from 'tap';
import { Secret } from '../config/secret.js';
import { DecryptionError, decryptSecret, encryptSecret, isEncrypted } from './encryption.js';
import { signPayload } from './signature.js';

t.test('what is encrypted can be decrypted with the same secret and differs each time', async (t) => {
  const key = new Secret('key material');
  for (const plain of ['', 'geheim', 'ü€😀'.repeat(100)]) {
    const stored = encryptSecret(plain, key);
    t.ok(isEncrypted(stored), stored);
    t.not(stored, encryptSecret(plain, key));
    t.equal(decryptSecret(stored, 'key material'), plain);
  }
});

t.test('a changed value, another secret and garbage are refused', async (t) => {
  const stored = encryptSecret('x', 'one');
  t.throws(() => decryptSecret(stored, 'two'), DecryptionError);
  t.throws(() => decryptSecret(`${stored.slice(0, -4)}AAA=`, 'one'), DecryptionError);
  for (const garbage of ['', 'v1:::', 'v2:a:b:c', 'plain', 'v1:AAAA:AAAA:AAAA'])
    t.throws(() => decryptSecret(garbage, 'one'), DecryptionError);
});

t.test('a payload is signed as jambonz does: HMAC-SHA256 over time and body', async (t) => {
  const expected = createHmac('sha256', 'wh').update('1700000000.{"a":1}').digest('hex');
  t.equal(signPayload('wh', '{"a":1}', 1_700_000_000_999), `t=1700000000,v1=${expected}`);
  t.equal(signPayload('wh', '{"a":1}', new Date(1_700_000_000_000)), `t=1700000000,v1=${expected}`);
});
