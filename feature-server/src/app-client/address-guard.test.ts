import t from 'tap';
import { AddressGuard } from './address-guard.js';

const strict = new AddressGuard({ allowPrivate: false });

t.test('addresses that are not on the public internet are refused', (t) => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    'not an address',
  ]) {
    t.notOk(strict.allows(address), address);
  }
  for (const address of ['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])
    t.ok(strict.allows(address), address);
  t.end();
});

t.test('IPv6 addresses behind which a translator or relay finds a private IPv4 address are refused', (t) => {
  for (const address of [
    '64:ff9b::10.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:0:0:0:0:127.0.0.1',
    '64:ff9b:1::8.8.8.8',
    '2002:a00:1::',
    '2002:a9fe:a9fe::1',
    '2002:7f00:0001:0:0:0:0:1',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '::10.0.0.1',
    '::7f00:1',
  ]) {
    t.notOk(strict.allows(address), address);
  }
  for (const address of ['64:ff9b::8.8.8.8', '64:ff9b::808:808', '2002:808:808::1', '2001:4860:4860::8888'])
    t.ok(strict.allows(address), address);
  t.throws(() => strict.checkLiteral(new URL('http://[64:ff9b::169.254.169.254]/')), { code: 'hook/forbidden' });
  t.end();
});

t.test('literal hosts in any spelling of a URL are checked', (t) => {
  for (const url of [
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
  ]) {
    t.throws(() => strict.checkLiteral(new URL(url)), { code: 'hook/forbidden' }, url);
  }
  t.doesNotThrow(() => new AddressGuard({ allowPrivate: true }).checkLiteral(new URL('http://127.0.0.1/')));
  t.end();
});

t.test('where loopback is allowed, nothing else that is private is', async (t) => {
  const guard = new AddressGuard({ allowPrivate: 'loopback' });
  for (const address of ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', '8.8.8.8'])
    t.ok(guard.allows(address), address);
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '169.254.169.254',
    'fe80::1',
    'fd00::1',
    '::ffff:169.254.169.254',
  ])
    t.notOk(guard.allows(address), address);
  for (const url of ['http://10.0.0.1/x', 'http://2852039166/latest', 'http://[::ffff:a9fe:a9fe]/'])
    t.throws(() => guard.checkLiteral(new URL(url)), { code: 'hook/forbidden' }, url);
  t.ok((await guard.checkResolved(new URL('http://localhost/a.wav'))).length > 0, 'what was judged');
});

t.test('names that resolve to private addresses are refused', async (t) => {
  await t.rejects(strict.checkResolved(new URL('http://localhost/a.wav')), { code: 'hook/forbidden' });
  const error = await new Promise<unknown>((resolve) => strict.lookup('localhost', {}, (err) => resolve(err)));
  t.match(error, { code: 'hook/forbidden' });
});
