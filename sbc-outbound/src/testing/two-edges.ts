import { type Binding, type Database, registrations } from '@ringwire/common';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import { openSbcInbound, type SbcInbound } from '@ringwire/sbc-inbound/sbc-inbound.js';
import { addClients, REALM, startDevice, type TestDevice } from '@ringwire/sbc-inbound/testing/device.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { openSeededDatabase, type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { SipMessage } from '@ringwire/sip';
import type { Test } from 'tap';
import { openSbcOutbound, type SbcOutbound } from '../sbc-outbound.js';

/** A SIP server with both of its processes. */
export interface TestEdge {
  server: ServerProcess;
  inbound: SbcInbound;
  outbound: SbcOutbound;
}

/** Two edges that know each other, with a feature server, and users at either. */
export interface TwoEdges {
  stores: Stores;
  fs: TestFeatureServer;
  east: TestEdge;
  west: TestEdge;
  /** A telephone of `user` that can register, at the east edge unless told otherwise. */
  phone(t: Pick<Test, 'teardown'>, user: string, edge?: TestEdge, more?: object): Promise<TestDevice>;
  /** Registers another device of a user that is like the first one but for what is given. */
  addBinding(user: string, more: Partial<Binding>): Promise<void>;
}

async function startEdge(t: Test, stores: Stores, name: string): Promise<TestEdge> {
  const httpPort = await findFreePort();
  // All telephones have one address.
  const server = await startServerProcess(t, () => [
    ...['--http-handler', `INVITE=http://127.0.0.1:${httpPort}/route`],
    ...['--source-limit', 'off'],
  ]);
  const shared = { stores, controlPort: server.controlPort };
  const inbound = await openSbc(t, openSbcInbound, {
    ...shared,
    name: `sbc-inbound-${name}`,
    env: { HTTP_PORT: `${httpPort}` },
  });
  const outbound = await openSbc(t, openSbcOutbound, { ...shared, name: `sbc-outbound-${name}` });
  await Promise.all([inbound, outbound].map(({ edge }) => edge.featureServers.refresh()));
  return { server, inbound, outbound };
}

const addUsers = (db: Database): Promise<void> =>
  addClients(db, [
    { username: 'alice' },
    { username: 'bob' },
    { username: 'leaver1' },
    { username: 'busy12', call_limit: 1 },
  ]);

/**
 * Starts two edges over stores of their own. All ends with the test.
 * @param provision - adds users; without it alice and bob may do everything, and busy12 has one call at a time
 */
export async function startTwoEdges(t: Test, provision: (db: Database) => Promise<void> = addUsers): Promise<TwoEdges> {
  const stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  await provision(db);
  await db.close();
  const fs = await startFeatureServer(t, stores, 'fs-one');
  const [east, west] = await Promise.all([startEdge(t, stores, 'east'), startEdge(t, stores, 'west')]);
  for (const { edge } of [east, west].flatMap(({ inbound, outbound }) => [inbound, outbound])) {
    await until('the edges know each other', async () => {
      await edge.edges.refresh();
      return new Set(edge.edges.list().map(({ privateSipAddress }) => privateSipAddress)).size === 2;
    });
  }
  return {
    stores,
    fs,
    east,
    west,
    phone: (owner, user, edge = east, more = {}) => startDevice(owner, { user, sipPort: edge.server.sipPort, ...more }),
    async addBinding(user, more) {
      const aor = { user, realm: REALM };
      const store = registrations(stores.redis);
      const [first] = await store.bindingsOf(aor);
      const binding: Binding = { ...first!.binding, ...more };
      const changes = [{ id: 'added', lifeMs: 60_000, binding }];
      await store.register({ aor, callId: 'added', cseq: 1, changes, maxUsers: null });
    },
  };
}

/** The messages that a device gets from now on, each answered with a status. */
export function inbox(device: TestDevice, status = 200): SipMessage[] {
  const got: SipMessage[] = [];
  device.agent.onRequest((transaction) => {
    got.push(transaction.request);
    transaction.reply(status);
  });
  return got;
}

/** A text of one user to another, as his device sends it; resolves with the final answer. */
export const sendText = (from: TestDevice, to: string, headers: Record<string, string> = {}): Promise<SipMessage> =>
  from.send('MESSAGE', { uri: `sip:${to}@${REALM}`, to: `<sip:${to}@${REALM}>`, body: 'hello, Bob', headers });
