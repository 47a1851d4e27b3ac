import type { Application, PlaceCallOrder } from '@ringwire/common';
import t from 'tap';
import { ACCOUNT_SID, APPLICATION_SID, provisioningOf } from '../testing/platform-rig.js';
import { type OrderedCallContext, orderedCall } from './ordered-call.js';

const ORDER = {
  callSid: 'call-1',
  accountSid: ACCOUNT_SID,
  applicationSid: APPLICATION_SID,
  from: '15550001111',
  to: { type: 'phone', number: '4930' },
  headers: {},
  speech: {},
  notAvailable: [],
  timeoutMs: 1_000,
} as unknown as PlaceCallOrder;

/** Provisioning whose account has a realm. */
function contextWith(application: Partial<Application>): OrderedCallContext {
  const snapshot = provisioningOf('http://127.0.0.1:1', application).snapshot();
  const account = snapshot.accountsBySid.get(ACCOUNT_SID);
  if (!account) throw new Error('no account');
  return {
    snapshot: {
      accountsBySid: new Map([[ACCOUNT_SID, { ...account, sipRealm: 'example.com' }]]),
      applicationsBySid: snapshot.applicationsBySid,
    },
    dialler: {
      place: () => {
        throw new Error('nobody is called in these tests');
      },
    },
    fsSipAddress: '127.0.0.1:5070',
  };
}

t.test('a call on order knows the realm of its account, in which its dial finds users by name', (t) => {
  t.equal(orderedCall(ORDER, contextWith({})).call.facts.sipRealm, 'example.com');
  t.end();
});

t.test('applications that service providers share serve their own accounts only', (t) => {
  const context = contextWith({});
  const [account] = context.snapshot.accountsBySid.values();
  const shared = (serviceProviderSid: string | null) => contextWith({ accountSid: null, serviceProviderSid });
  t.equal(
    orderedCall(ORDER, shared(account?.serviceProviderSid ?? null)).call.application.applicationSid,
    APPLICATION_SID,
  );
  t.throws(() => orderedCall(ORDER, shared('another')), { message: /there is no application/ });
  t.end();
});

t.test('an order may say what its environment is, and whether it is recorded, in place of the application', (t) => {
  const context = contextWith({ envVars: '{"A":1}', recordAllCalls: true });
  const applicationOf = (order: Partial<PlaceCallOrder>) =>
    orderedCall({ ...ORDER, ...order }, context).call.application;
  t.match(applicationOf({}), { envVars: '{"A":1}', recordAllCalls: true });
  const said = { envVars: '{"B":2}', recordAllCalls: false };
  t.match(applicationOf(said), said);
  t.end();
});
