import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@ringwire/common/testing/services.js';
import type { App, AppRequest, AppResponse } from '@ringwire/sip-server/test-app.js';
import { DRACHTIO } from '@ringwire/sip-server/test-drachtio.js';
import { connectApp, heldDialogs, sdp, startServer, until } from '@ringwire/sip-server/test-rig.js';
import t, { type Test } from 'tap';
import { CALL, CALLEE, CANCELLED, REGISTRATION, REINVITE, RELIABLE } from './support/sip-scenarios.js';
import { isOpen, runSipp, type SippResult, type SippRun } from './support/sipp.js';

const CALLS = 20;
/** sipp's ways, with the listening point that they speak to. */
const TRANSPORTS = [
  { over: 'UDP', transport: 'u1', host: '127.0.0.1' },
  { over: 'TCP', transport: 't1', host: '127.0.0.1' },
  { over: 'TCP with a connection for each call', transport: 'tn', host: '127.0.0.1' },
  { over: 'UDP over IPv6', transport: 'u1', host: '[::1]' },
  { over: 'TCP over IPv6', transport: 't1', host: '[::1]' },
] as const;
type Way = (typeof TRANSPORTS)[number];

/** The server under test with one application for all scenarios, and sipp beside it. */
async function scene(t: Test, { transport, host }: Way, { T1 = 500 } = {}) {
  const name = transport === 'u1' ? 'udp' : 'tcp';
  // sipp takes what is repeated because the machine is busy for a mistake: the timers are those of RFC 3261.
  const server = await startServer(t, ['--contact', `sip:${host}:0;transport=${name}`], { T1 });
  const seen: string[] = [];
  const srf = await connectApp(t, server, (srf) => {
    srf.invite((req, res) => void answer(srf, req, res, seen).catch((err: unknown) => seen.push(String(err))));
    srf.register((req, res) => admit(req, res, seen));
  });
  const dir = mkdtempSync(join(tmpdir(), 'sipp-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const { port } = server.layer.addressFor(name);
  const localPort = await findFreePort();
  const sipp = (run: Pick<SippRun, 'scenario'> & Partial<SippRun>): Promise<SippResult> =>
    runSipp({
      dir,
      target: { host: bare(host), port },
      localHost: bare(host),
      localPort,
      transport,
      callsPerSecond: 100,
      calls: CALLS,
      timeoutMs: 15_000,
      ...run,
    });
  return { server, srf, sipp, seen, localPort, name } as const;
}

/** What the application does with a call hangs on who is called. */
async function answer(srf: App, req: AppRequest, res: AppResponse, seen: string[]): Promise<void> {
  if (req.calledNumber === 'nobody') {
    req.on('cancel', () => seen.push('cancel'));
    res.send(180);
    return;
  }
  if (req.calledNumber === 'reliable') {
    const acknowledged = new Promise<void>((resolve) => {
      res.send(183, { body: sdp(1), headers: { Require: '100rel' } }, undefined, () => resolve());
    });
    await acknowledged;
    seen.push('prack');
  } else res.send(180);
  const dialog = await srf.createUAS(req, res, { localSdp: sdp(2) });
  seen.push('answered');
  // srf itself answers what comes before this is there.
  dialog.on('modify', (_req: AppRequest, res: AppResponse) => res.send(200, { body: sdp(3) }));
}

/** Digest authentication (RFC 3261 §22) as an application does it. */
function admit(req: AppRequest, res: AppResponse, seen: string[]): void {
  const credentials = req.get('Authorization');
  if (!credentials) {
    const challenge = 'Digest realm="ringwire.test", nonce="84f1c1ae", algorithm=MD5';
    res.send(401, { headers: { 'WWW-Authenticate': challenge } });
    return;
  }
  const uri = /uri="([^"]+)"/.exec(credentials)?.[1] ?? '';
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const response = md5(`${md5('joe:ringwire.test:zanzibar')}:84f1c1ae:${md5(`REGISTER:${uri}`)}`);
  const right = credentials.includes(`response="${response}"`);
  seen.push(right ? 'registered' : 'wrong digest');
  if (right) res.send(200, { headers: { Contact: req.get('Contact') ?? '', Expires: '600' } });
  else res.send(403);
}

const bare = (host: string): string => host.replace(/[[\]]/g, '');

/** That every call of a run went well, and how often the application saw what it should. */
function wentWell(t: Test, result: SippResult, seen: string[], expected: Record<string, number>, calls = CALLS): void {
  t.same([result.exitCode, result.successful, result.failed], [0, calls, 0], result.errors);
  const counts: Record<string, number> = {};
  for (const what of seen) counts[what] = (counts[what] ?? 0) + 1;
  t.same(counts, expected);
}

for (const way of TRANSPORTS) {
  t.test(`sipp: calls over ${way.over}`, async (t) => {
    const { sipp, seen, server } = await scene(t, way);
    wentWell(t, await sipp({ scenario: CALL, service: 'echo' }), seen, { answered: CALLS });
    await heldDialogs(server, 0);
  });

  t.test(`sipp: calls that are changed by a re-INVITE over ${way.over}`, async (t) => {
    const { sipp, seen, server } = await scene(t, way);
    wentWell(t, await sipp({ scenario: REINVITE, service: 'echo' }), seen, { answered: CALLS });
    await heldDialogs(server, 0);
  });

  t.test(`sipp: callers who give up over ${way.over}`, async (t) => {
    const { sipp, seen, server } = await scene(t, way);
    wentWell(t, await sipp({ scenario: CANCELLED, service: 'nobody' }), seen, { cancel: CALLS });
    await heldDialogs(server, 0);
  });

  t.test(`sipp: reliable provisional responses and their PRACKs over ${way.over}`, async (t) => {
    const { sipp, seen, server } = await scene(t, way);
    wentWell(t, await sipp({ scenario: RELIABLE, service: 'reliable' }), seen, { prack: CALLS, answered: CALLS });
    await heldDialogs(server, 0);
  });

  t.test(`sipp: registrations with digest authentication over ${way.over}`, async (t) => {
    const { sipp, seen } = await scene(t, way);
    wentWell(t, await sipp({ scenario: REGISTRATION }), seen, { registered: CALLS });
  });

  const crash = DRACHTIO && way.over === 'UDP over IPv6' && 'drachtio-server ends with SIGSEGV';
  t.test(`sipp: calls of an application to sipp over ${way.over}`, { skip: crash || false }, async (t) => {
    const { sipp, srf, server, localPort, name } = await scene(t, way);
    const callee = sipp({ scenario: CALLEE });
    let over = false;
    void callee.finally(() => (over = true));
    await until(() => over || isOpen(name, localPort));
    const uri = `sip:sipp@${way.host}:${localPort};transport=${name}`;
    const calls = Array.from({ length: CALLS }, async () => {
      const dialog = await srf.createUAC(uri, { localSdp: sdp(4) });
      await dialog.destroy();
    });
    const outcomes = await Promise.allSettled(calls);
    wentWell(t, await callee, [], {});
    t.same(
      outcomes.filter(({ status }) => status === 'rejected'),
      [],
    );
    await heldDialogs(server, 0);
  });
}

t.test('sipp: calls over UDP where 5 of 100 packets are lost', async (t) => {
  const { sipp, seen, server } = await scene(t, TRANSPORTS[0], { T1: 50 });
  const calls = 100;
  const result = await sipp({ scenario: CALL, service: 'echo', lostPercent: 5, calls });
  wentWell(t, result, seen, { answered: calls }, calls);
  t.ok(result.retransmissions > 0, 'packets were lost');
  await heldDialogs(server, 0);
});
