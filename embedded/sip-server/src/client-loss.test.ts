import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Dialog, InviteFailedError } from '@ringwire/sip';
import t from 'tap';
import type { SipServer } from './server.js';
import { startPeer } from './test-peer.js';
import {
  connectApp,
  notDrachtio,
  nothingHeld,
  sdp,
  startPhone,
  startServer,
  type Teardown,
  until,
  uriOf,
} from './test-rig.js';

const PROGRAM = fileURLToPath(new URL('./test-app-process.js', import.meta.url));

async function startApp(t: Teardown, server: SipServer, mediaPort: number): Promise<ChildProcess> {
  const child = fork(PROGRAM, [String(server.controlPort), String(mediaPort)]);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'message');
  return child;
}

t.test(
  'stop: calls of applications end with BYE, and what rings is cancelled (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const srf = await connectApp(t, server);
    const peer = await startPeer(t);
    const called = srf.createUAC(peer.uri('called'), { localSdp: sdp(1) });
    peer.answer(await peer.request('INVITE'), 200, { port: 2 });
    await called;
    // It may be cut off before it hears of the 487.
    void srf.createUAC(peer.uri('ringing'), { localSdp: sdp(1) }).catch(() => {});
    let cancelled = false;
    const rung = await peer.request('INVITE');
    peer.answer(rung, 180);
    rung.on('cancel', () => {
      cancelled = true;
      peer.answer(rung, 487);
    });
    const stopped = server.stop();
    peer.answer(await peer.request('BYE'), 200);
    await stopped;
    t.ok(cancelled);
  },
);

t.test(
  'client loss: killed among 100 calls, the other application takes the rest, nothing stays (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const doomed = await startApp(t, server, 2001);
    await startApp(t, server, 2002);
    const { registry } = server.control;
    await until(() => new Set([registry.select('INVITE'), registry.select('INVITE')]).size === 2);
    const phone = await startPhone(t);
    const live = new Set<Dialog>();
    const failures: unknown[] = [];
    const answered: string[] = [];
    const answeredBy = (port: number): number => answered.filter((text) => text.includes(`m=audio ${port} `)).length;
    const call = async (): Promise<void> => {
      try {
        const dialog = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
        answered.push(dialog.remoteSdp);
        live.add(dialog);
        dialog.on('ended', () => live.delete(dialog));
      } catch (err) {
        failures.push(err);
      }
    };
    const calls: Array<Promise<void>> = [];
    for (let i = 0; i < 100; i++) {
      calls.push(call());
      if (answeredBy(2001) >= 5 && !doomed.killed) doomed.kill('SIGKILL');
      await delay(5);
    }
    await Promise.all(calls);
    t.equal(answered.length + failures.length, 100);
    // Those that waited for its answer are refused so that the caller may try again.
    for (const err of failures) t.ok(err instanceof InviteFailedError && err.status === 503, String(err));
    t.ok(failures.length > 0 && failures.length < 60, `${failures.length} calls were refused`);
    t.ok(answeredBy(2001) >= 5);
    await until(() => [...live].every(({ remoteSdp }) => remoteSdp.includes('m=audio 2002')));
    t.match({ ...server.counters }, { clientsLost: 1, unroutable: 0 });
    t.equal(server.control.registry.size, 1);
    t.equal(server.bridge.dialogCount, live.size);
    answered.length = 0;
    await Promise.all(Array.from({ length: 10 }, call));
    t.ok(answeredBy(2002) === 10);
    await Promise.all([...live].map((dialog) => dialog.bye()));
    await nothingHeld(server);
    await until(() => server.layer.gauges.clientTransactions + server.layer.gauges.serverTransactions === 0);
  },
);
