import t from 'tap';
import { IpNetworkTable, parseIp } from './ip-address.js';

t.test('addresses are read in all their spellings', async (t) => {
  t.same(parseIp('192.0.2.1'), { family: 4, value: 0xc0000201n });
  t.same(parseIp('::ffff:192.0.2.1'), parseIp('192.0.2.1'));
  t.same(parseIp('::FFFF:c000:201'), parseIp('192.0.2.1'));
  t.same(parseIp('[2001:db8::1]'), parseIp('2001:0DB8:0:0:0:0:0:1'));
  t.same(parseIp('fe80::1%eth0'), parseIp('fe80:0::0:1'));
  t.same(parseIp('::'), { family: 6, value: 0n });
  t.same(parseIp('::1'), { family: 6, value: 1n });
  t.same(parseIp('1::'), { family: 6, value: 1n << 112n });
  t.same(parseIp('64:ff9b::192.0.2.33'), parseIp('64:ff9b::c000:221'));
  for (const bad of ['', 'host', '1.2.3', '1.2.3.256', ':::', '[', '1:2:3:4:5:6:7:8:9', '1.2.3.4:5060']) {
    t.equal(parseIp(bad), null, bad);
  }
});

t.test('networks are found from the narrowest to the widest, each family for itself', async (t) => {
  const entry = (text: string, value: string) => {
    const [address = '', bits] = text.split('/');
    return { address: parseIp(address)!, bits: Number(bits), value };
  };
  const table = new IpNetworkTable([
    entry('10.0.0.0/8', 'v4 wide'),
    entry('10.1.2.3/32', 'v4 host'),
    entry('10.1.2.3/32', 'v4 host too'),
    entry('2001:db8::/32', 'v6 wide'),
    entry('2001:db8:0:7::/64', 'v6 narrow'),
    entry('::a01:203/128', 'v6 with the same number'),
  ]);
  const find = (text: string) => table.find(parseIp(text)!);
  t.same(find('10.1.2.3'), ['v4 host', 'v4 host too', 'v4 wide']);
  t.same(find('::ffff:10.9.9.9'), ['v4 wide']);
  t.same(find('2001:db8:0:7:ffff::1'), ['v6 narrow', 'v6 wide']);
  t.same(find('2001:db9::1'), []);
  t.same(find('11.0.0.1'), []);
});
