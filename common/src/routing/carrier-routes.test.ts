import t from 'tap';
import type { Account, PhoneNumber, SipGateway, VoipCarrier } from '../provisioning/rows.js';
import { ProvisioningSnapshot } from '../provisioning/snapshot.js';
import { carrier, gateway } from '../testing/routing-rows.js';
import { carrierRoutes } from './carrier-routes.js';
import type { OutboundRequest } from './types.js';

const number = (text: string, voipCarrierSid: string, accountSid = 'acc'): PhoneNumber => ({
  phoneNumberSid: text,
  number: text,
  voipCarrierSid,
  accountSid,
  applicationSid: null,
  serviceProviderSid: null,
});

const snapshotOf = (voipCarriers: VoipCarrier[], sipGateways: SipGateway[], phoneNumbers: PhoneNumber[] = []) =>
  new ProvisioningSnapshot(
    {
      serviceProviders: [],
      accounts: [] as Account[],
      applications: [],
      webhooks: [],
      voipCarriers,
      sipGateways,
      phoneNumbers,
    },
    [],
    0,
  );

const request = (more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  accountSid: 'acc',
  serviceProviderSid: 'sp',
  applicationSid: null,
  called: '4930123',
  calling: '15550002222',
  requestedCarrier: null,
  inboundCarrierSid: null,
  atMs: 0,
  ...more,
});

const three = snapshotOf(
  [carrier('c1'), carrier('c2'), carrier('shared', { accountSid: null }), carrier('strange', { accountSid: 'other' })],
  [gateway('1.1.1.1', 'c1'), gateway('2.2.2.2', 'c2'), gateway('3.3.3.3', 'shared'), gateway('4.4.4.4', 'strange')],
  [number('15550002222', 'c2'), number('15550009999', 'strange', 'other')],
);
const routes = carrierRoutes({ random: () => 0 });
const addresses = (more: Partial<OutboundRequest>, snapshot = three): string[] =>
  routes.decide(snapshot, request(more)).gateways.map((found) => found.gateway.address);

t.test('the carrier that the application asks for is the only one, by sid or by name', async (t) => {
  t.same(addresses({ requestedCarrier: 'c1' }), ['1.1.1.1']);
  t.same(addresses({ requestedCarrier: 'name of shared' }), ['3.3.3.3']);
  const refused = routes.decide(three, request({ requestedCarrier: 'strange' }));
  t.same(refused, { gateways: [], passedOver: [{ name: 'strange', why: 'the account has no such carrier' }] });
});

t.test(
  'the carrier of the calling number comes before that of the inbound leg, then all others of the account',
  async (t) => {
    t.same(addresses({ inboundCarrierSid: 'shared' }), ['2.2.2.2', '3.3.3.3', '1.1.1.1']);
    t.same(addresses({ calling: '1', inboundCarrierSid: 'c2' }), ['2.2.2.2', '1.1.1.1']);
    t.same(addresses({ calling: '1' }), ['1.1.1.1', '2.2.2.2']);
  },
);

t.test(
  "another account's carrier is never used, even when it owns the calling number or brought the call",
  async (t) => {
    t.same(addresses({ calling: '15550009999', inboundCarrierSid: 'strange' }), ['1.1.1.1', '2.2.2.2']);
  },
);

t.test('carriers of the service provider serve accounts that have no way out of their own', async (t) => {
  const snapshot = snapshotOf(
    [carrier('in-only'), carrier('off', { isActive: false }), carrier('shared', { accountSid: null })],
    [
      gateway('1.1.1.1', 'in-only', { outbound: false, inbound: true }),
      gateway('2.2.2.2', 'off'),
      gateway('3.3.3.3', 'shared'),
    ],
  );
  t.same(addresses({}, snapshot), ['3.3.3.3']);
  const off = routes.decide(snapshot, request({ requestedCarrier: 'off' }));
  t.same(off.passedOver, [{ name: 'name of off', why: 'carrier is not active' }]);
});

t.test('inactive gateways are passed over, with a reason', async (t) => {
  const snapshot = snapshotOf(
    [carrier('c1')],
    [gateway('1.1.1.1', 'c1', { isActive: false }), gateway('2.2.2.2', 'c1')],
  );
  const { gateways, passedOver } = routes.decide(snapshot, request());
  t.same(
    gateways.map(({ gateway: { address }, why }) => [address, why]),
    [['2.2.2.2', 'carrier of the account; priority 0, weight 1']],
  );
  t.same(passedOver, [{ name: '1.1.1.1 of name of c1', why: 'gateway is not active' }]);
});

t.test('gateways go by priority, and by weight within one; weight 0 comes last', async (t) => {
  const gateways = [
    gateway('late', 'c', { priority: 2 }),
    gateway('a', 'c', { weight: 3 }),
    gateway('b', 'c', { weight: 1 }),
    gateway('zero', 'c', { weight: 0 }),
  ];
  const snapshot = snapshotOf([carrier('c')], gateways);
  const order = (...draws: number[]) =>
    carrierRoutes({ random: () => draws.shift() ?? 0 })
      .decide(snapshot, request())
      .gateways.map(({ gateway: { address } }) => address);
  t.same(order(0.74), ['a', 'b', 'zero', 'late']);
  t.same(order(0.76), ['b', 'a', 'zero', 'late']);
});
