import t from 'tap';
import { encryptSecret } from '../secrets/encryption.js';
import { openCredentials, sealCredentials } from './sealed-credentials.js';

t.test('credentials are read by who has the secret; anything else is none', async (t) => {
  const credentials = { username: 'anna', password: 'geheim ü"' };
  const sealed = sealCredentials(credentials, 'the secret');
  t.notMatch(sealed, /anna|geheim/);
  t.match(sealed, /^[\w:+/=]+$/, 'can stand in a header');
  t.same(openCredentials(sealed, 'the secret'), credentials);
  t.equal(openCredentials(sealed, 'another'), null);
  for (const text of ['', 'anna:geheim', encryptSecret('{}', 'the secret'), encryptSecret('["anna"]', 'the secret')]) {
    t.equal(openCredentials(text, 'the secret'), null);
  }
});
