import t from 'tap';
import { notDrachtio, nothingHeld, sdp, startPhone, startServer, uriOf } from './test-rig.js';

t.test(
  'policy: OPTIONS of a known prober is answered without an application (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t, ['--user-agent-options-auto-respond', 'probe/1']);
    const phone = await startPhone(t);
    const statusOf = async (agent: string) =>
      (await phone.request({ method: 'OPTIONS', uri: uriOf(server), headers: [['User-Agent', agent]] }))?.status;
    t.equal(await statusOf('probe/1'), 200);
    t.equal(await statusOf('probe/11'), 503);
  },
);

t.test('policy: REGISTER to an address is refused, to a domain it is not (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t, ['--reject-register-with-no-realm']);
  const { port } = server.layer.addressFor('udp');
  const phone = await startPhone(t);
  const statusOf = async (host: string) => {
    const uri = `sip:${host}:${port}`;
    return (await phone.request({ method: 'REGISTER', uri, to: 'sip:a@example.com' }))?.status;
  };
  t.equal(await statusOf('127.0.0.1'), 403);
  t.equal(await statusOf('localhost'), 503);
});

t.test('policy: every INVITE rings at once when it is told so (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t, ['--always-send-180']);
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  const seen: number[] = [];
  call.on('progress', (response) => seen.push(response.status));
  t.match(await call.answered.catch((err: unknown) => err), { status: 503 });
  t.ok(seen.includes(180));
  await nothingHeld(server);
});
