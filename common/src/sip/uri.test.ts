import t from 'tap';
import { contains, inNetworks, ipv4Network, ipv4ToNumber, parseNetworks } from './networks.js';
import { calledNumber, isIpv4, nameAddr, splitUri, unescaped } from './uri.js';

t.test('URIs are taken apart, whatever their form', async (t) => {
  t.match(splitUri('sip:100@example.COM:5080;transport=tcp'), { user: '100', host: 'example.com', port: 5080 });
  t.match(splitUri('sips:bob:secret@10.0.0.1'), { scheme: 'sips', user: 'bob', host: '10.0.0.1', port: null });
  t.match(splitUri('sip:+1555;phone-context=x@h'), { user: '+1555' });
  t.match(splitUri('sip:100@[2001:db8::1]:5060'), { host: '2001:db8::1', port: 5060 });
  t.match(splitUri('sip:example.com'), { user: null, host: 'example.com' });
  t.match(splitUri('sip:@example.com'), { user: null });
  t.match(splitUri('tel:+1-555-(12)3;phone-context=a'), { scheme: 'tel', user: '+1555123', host: '' });
  for (const bad of ['', 'sip:', 'http://a', 'sip:a b@c', `sip:${'1'.repeat(2000)}@a`, 'sip:a@b:port']) {
    t.equal(splitUri(bad), null, bad.slice(0, 20));
  }
});

t.test('numbers and names', async (t) => {
  t.equal(calledNumber('+1555'), '1555');
  t.equal(calledNumber(null), 'anonymous');
  t.equal(calledNumber('+'), 'anonymous');
  t.equal(nameAddr('He said "hi"\r\n', 'sip:a@b'), '"He said \\"hi\\"" <sip:a@b>');
  t.equal(nameAddr(null, 'sip:a@b'), '<sip:a@b>');
  t.ok(isIpv4('255.1.0.0'));
  t.notOk(isIpv4('256.1.0.0'));
});

t.test('networks contain what is in them', async (t) => {
  const network = ipv4Network('192.168.5.77', 16)!;
  t.ok(contains(network, ipv4ToNumber('192.168.255.1')!));
  t.notOk(contains(network, ipv4ToNumber('192.169.0.1')!));
  t.ok(contains(ipv4Network('0.0.0.0', 0)!, ipv4ToNumber('255.255.255.255')!));
  const networks = parseNetworks(' 10.0.0.0/8, 192.168.1.5 ,')!;
  t.ok(inNetworks(networks, '10.255.0.1'));
  t.ok(inNetworks(networks, '192.168.1.5'));
  t.notOk(inNetworks(networks, '192.168.1.6'));
  t.notOk(inNetworks(networks, '::1'));
  for (const bad of ['10.0.0.0/33', '10.0.0/8', '10.0.0.0/', 'host', '10.0.0.0/8x'])
    t.equal(parseNetworks(bad), null, bad);
  t.same(parseNetworks(''), []);
});

t.test('escapes in a user part are read as what they stand for; what is none is not guessed at', async (t) => {
  t.equal(unescaped('+49%33%30'), '+4930');
  t.equal(unescaped('%2B49'), '+49');
  t.equal(unescaped('%2533'), '%33', 'once');
  t.equal(unescaped('%ff'), 'ÿ');
  for (const wrong of ['4%', '4%3', '%zz']) t.equal(unescaped(wrong), null);
});
