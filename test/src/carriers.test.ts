import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@ringwire/common/testing/until.js';
import {
  DRACHTIO,
  openSbc,
  type ServerProcess,
  startServerProcess,
  withoutDrachtio,
} from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import { openSbcOutbound, type SbcOutbound } from '@ringwire/sbc-outbound/sbc-outbound.js';
import {
  dial,
  type PlacedCall,
  Provisioner,
  startGateway,
  type TestGateway,
} from '@ringwire/sbc-outbound/testing/carriers.js';
import { findFreePort } from '@ringwire/services';
import t, { type Test } from 'tap';
import { challenging, DYING, FORKING, GOOD, redirecting, refusing, SLOW, STUCK } from './support/carrier-scenarios.js';
import { isOpen, runSipp } from './support/sipp.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let rows: Provisioner;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
  await sbc.edge.featureServers.refresh();
  rows = new Provisioner(t, stores, () => sbc);
});

/** A carrier that is a sipp: it takes one call. */
interface Sipp {
  host: string;
  port: number;
  /** How its scenario ended; it must have gone as written. */
  wentWell(): Promise<void>;
}

/** A port that is free now may be somebody else's before sipp has it. */
const START_ATTEMPTS = 5;

async function sipp(t: Test, scenario: string): Promise<Sipp> {
  for (let attempt = 1; ; attempt++) {
    const started = await startSipp(t, scenario);
    if (started) return started;
    if (attempt === START_ATTEMPTS) throw new Error('sipp does not start');
  }
}

async function startSipp(t: Test, scenario: string): Promise<Sipp | undefined> {
  const dir = mkdtempSync(join(tmpdir(), 'sipp-'));
  const port = await findFreePort({ kind: 'udp' });
  const stop = new AbortController();
  let isOver = false;
  const run = runSipp({
    dir,
    scenario,
    target: { host: '127.0.0.1', port: server.sipPort },
    localPort: port,
    callsPerSecond: 1,
    calls: 1,
    timeoutMs: 40_000,
    signal: stop.signal,
  }).finally(() => {
    isOver = true;
  });
  t.teardown(async () => {
    stop.abort();
    await run;
    rmSync(dir, { recursive: true, force: true });
  });
  await until('sipp listens', () => isOver || isOpen('udp', port));
  if (isOver) return undefined;
  return {
    host: '127.0.0.1',
    port,
    async wentWell() {
      const { exitCode, successful, failed, errors } = await run;
      // What is said in `errors` may be a warning: that this machine is busy.
      t.same({ exitCode, successful, failed }, { exitCode: 0, successful: 1, failed: 0 }, errors);
    },
  };
}

/** Somebody who may not be called; whoever is, shows in `invites`. */
const nobody = (t: Test): Promise<TestGateway> => startGateway(t, (call) => call.reject(500));

/** Calls over the gateways of a new carrier. */
async function call(
  gateways: readonly { host: string; port: number }[],
  carrier: Record<string, string | number | null> = {},
): Promise<PlacedCall> {
  return dial(fs, server, await rows.add({ carrier, gateways }));
}

async function hangUp(call: PlacedCall): Promise<void> {
  (await call.dialog).destroy({}, () => {});
  await callsGone();
}

async function callsGone(): Promise<void> {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
}

/** What the timeline says of each failed attempt: status, port of the gateway, whether the next one was tried. */
async function failures(call: PlacedCall): Promise<{ status: number; port: number; next: boolean; why: string }[]> {
  const callId = await call.callId;
  await stores.event('call.ended', callId);
  return (await stores.events(callId)).flatMap((event) => {
    if (event.type !== 'call.timeline' || event.data.data?.next === undefined) return [];
    const { status, next, why } = event.data.data as { status: number; next: boolean; why: string };
    return [{ status, next, why, port: Number(/:(\d+) of /.exec(event.data.text)?.[1]) }];
  });
}

t.test('sipp: a good carrier rings, answers and is hung up', async (t) => {
  const good = await sipp(t, GOOD);
  const placed = await call([good]);
  await hangUp(placed);
  await good.wentWell();
  t.same(await failures(placed), []);
});

t.test('sipp: a slow carrier is waited for, nobody else is called', async (t) => {
  const slow = await sipp(t, SLOW);
  const other = await nobody(t);
  const placed = await call([slow, other], { response_timeout_ms: 15_000 });
  await hangUp(placed);
  await slow.wentWell();
  t.equal(other.invites.length, 0);
  t.ok(placed.provisionals.includes(180));
});

t.test('sipp: a carrier that is stuck gets CANCEL, the next one takes the call', async (t) => {
  const [stuck, good] = [await sipp(t, STUCK), await sipp(t, GOOD)];
  const placed = await call([stuck, good], { response_timeout_ms: 2000 });
  await hangUp(placed);
  await stuck.wentWell();
  await good.wentWell();
  t.match(await failures(placed), [{ status: 408, port: stuck.port, next: true, why: 'the gateway does not respond' }]);
});

t.test('sipp: a carrier that dies of the INVITE: the next one takes the call', async (t) => {
  const [dying, good] = [await sipp(t, DYING), await sipp(t, GOOD)];
  const placed = await call([dying, good], { response_timeout_ms: 2000 });
  await hangUp(placed);
  await dying.wentWell();
  await good.wentWell();
  // drachtio-server hears from the kernel that the port is closed (ICMP).
  t.match(await failures(placed), [{ status: DRACHTIO ? 503 : 408, port: dying.port, next: true }]);
});

t.test('sipp: carriers that fail are passed one after the other, the third takes the call', async (t) => {
  const failing = await sipp(t, refusing('503 Service Unavailable', { headers: ['Retry-After: 5'] }));
  const barred = await sipp(t, refusing('403 Forbidden'));
  const good = await sipp(t, GOOD);
  const placed = await call([failing, barred, good]);
  await hangUp(placed);
  for (const one of [failing, barred, good]) await one.wentWell();
  t.match(await failures(placed), [
    { status: 503, port: failing.port, next: true, why: 'the gateway fails' },
    { status: 403, port: barred.port, next: true, why: 'the gateway refuses' },
  ]);
});

const FINAL = [
  { kind: 'busy', status: 486, scenario: refusing('486 Busy Here'), why: 'the callee is busy' },
  { kind: 'declining', status: 603, scenario: refusing('603 Decline'), why: 'the callee declines everywhere' },
  {
    kind: 'busy behind a switch (Q.850 cause 17)',
    status: 500,
    scenario: refusing('500 Server Internal Error', { headers: ['Reason: Q.850;cause=17;text="User busy"'] }),
    why: 'the callee is busy (Q.850 cause 17)',
  },
  {
    kind: 'failing after it rang',
    status: 503,
    scenario: refusing('503 Service Unavailable', { rings: true }),
    why: 'the callee was ringing',
  },
];
for (const { kind, status, scenario, why } of FINAL) {
  t.test(`sipp: a carrier whose callee is ${kind}: nobody else is called, the caller gets ${status}`, async (t) => {
    const carrier = await sipp(t, scenario);
    const other = await nobody(t);
    const placed = await call([carrier, other]);
    t.equal(await placed.status(), status);
    await carrier.wentWell();
    t.match(await failures(placed), [{ status, port: carrier.port, next: false, why }]);
    t.equal(other.invites.length, 0);
  });
}

t.test(
  'sipp: a forking carrier: two ring and both answer; the first has the call, the other gets ACK and BYE',
  withoutDrachtio('leaves the second 2xx of a fork unacknowledged'),
  async (t) => {
    const forking = await sipp(t, FORKING);
    const other = await nobody(t);
    const placed = await call([forking, other]);
    await forking.wentWell();
    await callsGone();
    t.same(
      placed.provisionals.filter((status) => status > 100),
      [180, 183, 180],
    );
    t.equal(other.invites.length, 0);
  },
);

const TRUNK = { register_username: 'trunk', register_password: 'secret' };
for (const status of ['401 Unauthorized', '407 Proxy Authentication Required'] as const) {
  t.test(`sipp: a carrier that challenges with ${status} gets proof`, async (t) => {
    const asking = await sipp(t, challenging(status, { username: 'trunk', password: 'secret' }));
    const other = await nobody(t);
    const placed = await call([asking, other], TRUNK);
    await hangUp(placed);
    await asking.wentWell();
    t.equal(other.invites.length, 0);
  });
}

t.test('sipp: a carrier that does not take our password: the next one takes the call', async (t) => {
  const asking = await sipp(t, challenging('401 Unauthorized', { username: 'trunk', password: 'another' }));
  const good = await sipp(t, GOOD);
  const placed = await call([asking, good], TRUNK);
  await hangUp(placed);
  await asking.wentWell();
  await good.wentWell();
  t.match(await failures(placed), [{ status: 403, port: asking.port, next: true }]);
});

t.test('sipp: a challenge without credentials: the next one takes the call', async (t) => {
  const asking = await sipp(
    t,
    refusing('407 Proxy Authentication Required', { headers: ['Proxy-Authenticate: Digest realm="r", nonce="n"'] }),
  );
  const good = await sipp(t, GOOD);
  const placed = await call([asking, good]);
  await hangUp(placed);
  await asking.wentWell();
  await good.wentWell();
  t.match(await failures(placed), [{ status: 407, port: asking.port, next: true }]);
});

t.test('sipp: a carrier that redirects to its other gateway: that one takes the call', async (t) => {
  const good = await sipp(t, GOOD);
  const away = await sipp(t, redirecting(`<sip:4930123456@127.0.0.1:${good.port}>`));
  const between = await nobody(t);
  const placed = await call([away, between, good]);
  await hangUp(placed);
  await away.wentWell();
  await good.wentWell();
  t.equal(between.invites.length, 0, 'the gateway that it names comes before the others');
  t.match(await failures(placed), [{ status: 302, port: away.port, next: true }]);
});

t.test('sipp: a carrier that redirects to a stranger: the stranger is not called, the next gateway is', async (t) => {
  const stranger = await nobody(t);
  const away = await sipp(t, redirecting(`<sip:900@127.0.0.1:${stranger.port}>`));
  const good = await sipp(t, GOOD);
  const placed = await call([away, good]);
  await hangUp(placed);
  await away.wentWell();
  await good.wentWell();
  t.equal(stranger.invites.length, 0);
  t.match(await failures(placed), [{ status: 302, why: 'redirected to no gateway of the carrier', next: true }]);
});
