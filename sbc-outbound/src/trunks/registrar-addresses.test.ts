import { carrier } from '@ringwire/sbc-inbound/testing/snapshots.js';
import t from 'tap';
import { openTo } from './registrar-addresses.js';

t.test("addresses that an account's name points at open nothing, unless they have let us in", async (t) => {
  const own = carrier('own', { accountSid: 'acc' });
  t.strictSame(openTo(own, '192.0.2.1', ['192.0.2.1', '198.51.100.7']), ['192.0.2.1']);
  t.strictSame(openTo(own, null, ['198.51.100.7']), []);
  const shared = carrier('shared');
  t.strictSame(openTo(shared, '192.0.2.1', ['192.0.2.1', '198.51.100.7']), ['192.0.2.1', '198.51.100.7']);
});
