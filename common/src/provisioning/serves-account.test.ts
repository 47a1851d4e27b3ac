import t from 'tap';
import { servesAccount } from './serves-account.js';

t.test("an account may use its own applications and those that its service provider shares, nobody else's", (t) => {
  const account = { accountSid: 'acc', serviceProviderSid: 'sp' };
  t.ok(servesAccount({ accountSid: 'acc', serviceProviderSid: null }, account));
  t.ok(servesAccount({ accountSid: null, serviceProviderSid: 'sp' }, account));
  t.notOk(servesAccount({ accountSid: 'other', serviceProviderSid: 'sp' }, account));
  t.notOk(servesAccount({ accountSid: null, serviceProviderSid: 'other' }, account));
  t.notOk(servesAccount({ accountSid: null, serviceProviderSid: null }, account), 'of nobody');
  t.end();
});
