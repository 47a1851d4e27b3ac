import t from 'tap';
import { AddressGuard } from '../http/address-guard.js';
import { privateHop } from './private-hop.js';

const guard = new AddressGuard({ allowPrivate: false });

t.test('SIP is not sent to addresses of our own network, however they are written', async (t) => {
  for (const uri of [
    'sip:x@169.254.169.254',
    'sip:10.1.2.3:5080;transport=tcp',
    'sips:x@[::1]:5061',
    'sip:x@[::ffff:192.168.0.1]',
    'sip:x@localhost:5060',
    // What resolvers take for 127.0.0.1.
    'sip:x@2130706433:5060',
    'sip:x@0x7f.1:5060',
  ]) {
    t.match(await privateHop(uri, guard), /private address/, uri);
    t.equal(await privateHop(uri, new AddressGuard({ allowPrivate: true })), null, uri);
  }
  for (const uri of ['sip:x@8.8.8.8', 'sip:[2001:4860:4860::8888]:5060', 'sip:x@no-such-host.invalid:5060']) {
    t.equal(await privateHop(uri, guard), null, uri);
  }
});
