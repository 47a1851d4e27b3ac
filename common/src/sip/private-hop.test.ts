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

t.test('what another host than that of the URI would get is not sent', async (t) => {
  for (const uri of [
    'sip:x@8.8.8.8;maddr=10.0.0.7',
    'sip:x@8.8.8.8;transport=udp;MAddr=8.8.4.4',
    'sip:8.8.8.8; maddr =10.0.0.7',
    'sip:x@8.8.8.8;m%61ddr=10.0.0.7',
    'sip:x@8.8.8.8;a@10.0.0.7',
  ]) {
    t.match(await privateHop(uri, guard), /maddr|more than one @/, uri);
  }
  t.equal(await privateHop('sip:maddr@8.8.8.8;lr', guard), null);
});

t.test('a name is judged by the servers of every transport that DNS names, and by its own address', async (t) => {
  const of = (hosts: readonly string[]) => hosts.map((name) => ({ name }));
  const asking = (srv: Record<string, string[]>, naptr: { service: string; replacement: string }[] = []) => ({
    resolveSrv: async (name: string) => of(srv[name] ?? []),
    resolveNaptr: async () => naptr,
  });
  const judged = (dns: ReturnType<typeof asking>, uri = 'sip:x@two-faces.invalid') => privateHop(uri, guard, dns);
  const open = { '_sip._udp.two-faces.invalid': ['8.8.8.8'] };
  t.equal(await judged(asking(open)), null);
  for (const service of ['_sip._tcp', '_sips._tcp', '_sip._ws']) {
    const dns = asking({ ...open, [`${service}.two-faces.invalid`]: ['8.8.4.4', '10.0.0.7'] });
    t.match(await judged(dns), /private address 10\.0\.0\.7/, service);
    t.equal(await judged(dns, 'sip:x@two-faces.invalid:5060'), null, 'a port rules SRV out');
  }
  const pointed = [{ service: 'SIP+D2T', replacement: 'elsewhere.invalid' }];
  t.match(await judged(asking({ ...open, 'elsewhere.invalid': ['10.0.0.7'] }, pointed)), /private address/);
  t.match(await judged(asking({ ...open, 'elsewhere.invalid': ['localhost'] }, pointed)), /private address/);
  t.match(await judged(asking(open), 'sip:x@localhost'), /private address/, 'its own address');
  const many = Array.from({ length: 40 }, (_, i) => `8.8.8.${i}`);
  t.match(await judged(asking({ '_sip._udp.two-faces.invalid': many })), /more addresses/);
});
