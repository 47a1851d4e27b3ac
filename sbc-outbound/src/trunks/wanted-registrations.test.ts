import { type Account, ProvisioningSnapshot, type SipGateway, type VoipCarrier } from '@ringwire/common';
import { carrier, gateway } from '@ringwire/common/testing/routing-rows.js';
import t from 'tap';
import { wantedRegistrations } from './wanted-registrations.js';

const account = (sipRealm: string | null): Account => ({
  accountSid: 'acc',
  serviceProviderSid: 'sp',
  name: 'acc',
  sipRealm,
  isActive: true,
  webhookSecret: null,
  registrationHook: null,
  queueEventHook: null,
  deviceCallingApplicationSid: null,
  disableCdrs: false,
  enableDebugLog: false,
  recordAllCalls: false,
});
const TRUNK: Partial<VoipCarrier> = {
  requiresRegister: true,
  registerUsername: 'ringwire',
  registerPassword: 'secret',
  registerSipRealm: 'sip.carrier.example',
};
const wanted = (voipCarriers: VoipCarrier[], sipGateways: SipGateway[], sipRealm: string | null = null) =>
  wantedRegistrations(
    new ProvisioningSnapshot(
      {
        serviceProviders: [],
        accounts: [account(sipRealm)],
        applications: [],
        webhooks: [],
        voipCarriers,
        sipGateways,
        phoneNumbers: [],
      },
      [],
      0,
    ),
  );
const one = (more: Partial<VoipCarrier>, at: Partial<SipGateway> = {}, sipRealm: string | null = null) => {
  const made = wanted([carrier('c', { ...TRUNK, ...more })], [gateway('192.0.2.1', 'c', at)], sipRealm);
  return [...made.wanted.values()][0] ?? made.unusable[0];
};

t.test(
  'the registrar is the realm, reached by way of the gateway; who we are there stands in From and Contact',
  async (t) => {
    t.match(one({}), {
      uri: 'sip:sip.carrier.example',
      proxy: 'sip:192.0.2.1;transport=udp',
      registrar: 'sip:192.0.2.1;transport=udp',
      aor: 'sip:ringwire@sip.carrier.example',
      contact: 'sip:ringwire@localhost',
      credentials: { username: 'ringwire', password: 'secret' },
    });
    t.match(one({ registerFromUser: '+4930123', registerFromDomain: 'from.example' }), {
      aor: 'sip:+4930123@from.example',
      contact: 'sip:ringwire@localhost',
    });
    t.match(one({ outboundSipProxy: 'proxy.example:5070' }), { proxy: 'sip:proxy.example:5070;transport=udp' });
    t.match(one({ registerSipRealm: null }, { port: 5070, protocol: 'tcp' }), {
      uri: 'sip:192.0.2.1:5070;transport=tcp',
      proxy: undefined,
      aor: 'sip:ringwire@192.0.2.1:5070',
    });
    t.match(one({}, { protocol: 'tls/srtp', useSipsScheme: true }), {
      uri: 'sips:sip.carrier.example',
      proxy: 'sip:192.0.2.1;transport=tls',
      aor: 'sips:ringwire@sip.carrier.example',
      contact: 'sips:ringwire@localhost',
    });
    t.match(one({ registerUsername: 'a user@home' }), { aor: 'sip:a%20user%40home@sip.carrier.example' });
  },
);

t.test("calls are wanted at the account's SIP realm, or at the edge where the carrier wants an address", async (t) => {
  t.match(one({}, {}, 'acc.example.com'), { contact: 'sip:ringwire@acc.example.com' });
  t.match(one({}, { protocol: 'tcp' }, 'acc.example.com'), { contact: 'sip:ringwire@acc.example.com;transport=tcp' });
  t.match(one({ registerPublicIpInContact: true }, {}, 'acc.example.com'), { contact: 'sip:ringwire@localhost' });
});

t.test('only active carriers that require it, at active outbound gateways, and each registration once', async (t) => {
  const carriers = [
    carrier('c', TRUNK),
    carrier('same', { ...TRUNK, accountSid: 'other' }),
    carrier('off', { ...TRUNK, isActive: false }),
    carrier('not', { ...TRUNK, requiresRegister: false }),
  ];
  const gateways = [
    gateway('192.0.2.1', 'c'),
    gateway('192.0.2.2', 'c'),
    gateway('192.0.2.3', 'c', { isActive: false }),
    gateway('192.0.2.4', 'c', { outbound: false }),
    gateway('192.0.2.1', 'same'),
    ...['off', 'not'].map((sid) => gateway('192.0.2.1', sid)),
  ];
  const made = wanted(carriers, gateways);
  t.strictSame(made.unusable, []);
  t.strictSame(
    [...made.wanted.values()].map(({ members }) => members.map((member) => member.gateway.sipGatewaySid)),
    [['192.0.2.1/c', '192.0.2.1/same'], ['192.0.2.2/c']],
  );
});

t.test('what cannot be registered is named with the column that is wrong', async (t) => {
  t.match(one({ registerPassword: null }), { why: /register_password/ });
  t.match(one({ registerUsername: 'a\r\nX-Evil: 1' }), { why: /register_username/ });
  t.match(one({ registerSipRealm: 'no realm' }), { why: /register_sip_realm/ });
  t.match(one({ registerFromDomain: 'a@b' }), { why: /register_from_domain/ });
  t.match(one({ outboundSipProxy: 'a proxy' }), { why: /outbound_sip_proxy/ });
});

t.test('another password is another registration in the same place, another user is another place', async (t) => {
  const keys = (more: Partial<VoipCarrier>) => {
    const made = one(more) as { key: string; binding: string };
    return { key: made.key, binding: made.binding };
  };
  const before = keys({});
  t.strictSame(keys({ name: 'renamed' }), before);
  t.equal(keys({ registerPassword: 'new' }).binding, before.binding);
  t.not(keys({ registerPassword: 'new' }).key, before.key);
  t.not(keys({ registerUsername: 'new' }).binding, before.binding);
});
