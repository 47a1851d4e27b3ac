import { Socket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import type { AppDialog, AppMessage } from './test-app.js';
import { startPeer } from './test-peer.js';
import { connectApp, notDrachtio, nothingHeld, sdp, startServer, until, uriOf } from './test-rig.js';

/** From now on everything that this process sends over UDP arrives twice, as on a path with a loop or a resent frame. */
function sendTwice(t: { teardown(fn: () => unknown): void }): void {
  const { send } = Socket.prototype;
  t.teardown(() => {
    Socket.prototype.send = send;
  });
  Socket.prototype.send = function twice(this: Socket, ...given: Parameters<typeof send>) {
    // The repeat first, without the callback: the caller hears once.
    send.apply(this, given.filter((argument) => typeof argument !== 'function') as unknown as Parameters<typeof send>);
    send.apply(this, given);
  } as typeof send;
}

t.test(
  'repeated datagrams: each of a call comes twice, the application sees each once (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const seen: string[] = [];
    const calls: AppDialog[] = [];
    await connectApp(t, server, (srf) => {
      srf.invite(async (req, res) => {
        seen.push('INVITE');
        res.send(180);
        const call = await srf.createUAS(req, res, { localSdp: sdp(5000) });
        call.on('ack', () => seen.push('ACK'));
        call.on('info', (_req: AppMessage, answer: { send(status: number): void }) => {
          seen.push('INFO');
          answer.send(200);
        });
        call.on('destroy', () => seen.push('BYE'));
        calls.push(call);
      });
    });
    const caller = await startPeer(t);
    sendTwice(t);
    const invite = caller.invite(uriOf(server));
    const ok = await invite.response(200);
    const dialog = invite.dialog(ok);
    await until(() => calls.length === 1);
    const acked = once(calls[0]!, 'ack');
    caller.ack(dialog, invite);
    await acked;
    const info = caller.inside(dialog, 'INFO', { body: 'x' });
    t.equal((await info.final()).status, 200);
    const asked = calls[0]!.request({ method: 'INFO' });
    caller.answer(await caller.request('INFO'), 200);
    t.equal((await asked).status, 200);
    t.equal((await caller.inside(dialog, 'BYE').final()).status, 200);
    await nothingHeld(server);
    t.same(seen, ['INVITE', 'ACK', 'INFO', 'BYE']);
    t.equal(caller.requests.length, 0, 'the peer too');
  },
);
