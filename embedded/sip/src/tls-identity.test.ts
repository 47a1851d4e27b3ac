import type { PeerCertificate } from 'node:tls';
import t from 'tap';
import { checkIdentity } from './tls-identity.js';

const certificate = (subjectaltname: string | undefined, CN = 'cn.test'): PeerCertificate =>
  ({ subjectaltname, subject: { CN } }) as unknown as PeerCertificate;

for (const [what, name, names, isAccepted] of [
  ['a DNS name', 'sip.test', 'DNS:other.test, DNS:SIP.test', true],
  ['a SIP URI', 'sip.test', 'URI:sip:sip.test, DNS:host.test', true],
  ['the host of a SIP URI beside it', 'host.test', 'URI:sip:sip.test, DNS:host.test', true],
  ['a URI with a user part', 'sip.test', 'URI:sip:alice@sip.test', false],
  ['a URI of another scheme', 'sip.test', 'URI:xmpp:sip.test', false],
  ['a parent domain', 'a.sip.test', 'DNS:sip.test', false],
  ['a wildcard', 'a.sip.test', 'DNS:*.sip.test', false],
  ['the common name where there is no other name', 'cn.test', undefined, true],
  ['the common name where there is another', 'cn.test', 'DNS:sip.test', false],
  ['a name in quotes that hides another', 'sip.test', 'DNS:"x.test, DNS:sip.test"', false],
  ['an address', '192.0.2.1', 'IP Address:192.0.2.1', true],
  ['an address as a DNS name', '192.0.2.1', 'DNS:192.0.2.1', false],
] as const) {
  t.test(`RFC 5922 §7: ${what} ${isAccepted ? 'proves' : 'does not prove'} ${name}`, async (t) => {
    t.equal(checkIdentity(name, certificate(names), false) === undefined, isAccepted);
  });
}

t.test('RFC 5922 §7.2: a wildcard stands for one label where it is allowed', async (t) => {
  const wildcard = certificate('DNS:*.sip.test');
  t.equal(checkIdentity('a.sip.test', wildcard, true), undefined);
  for (const name of ['sip.test', 'a.b.sip.test'])
    t.match(checkIdentity(name, wildcard, true)?.message, /\*\.sip\.test/);
});
