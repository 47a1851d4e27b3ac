import t from 'tap';
import { DRACHTIO } from './test-drachtio.js';
import { connectApp, disconnect, lostClient, sdp, startPhone, startServer, uriOf } from './test-rig.js';

t.test('routing: several applications of a method take turns', async (t) => {
  const server = await startServer(t);
  const taken: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    await connectApp(t, server, (srf) => {
      srf.invite((_req, res) => {
        taken.push(name);
        res.send(486);
      });
    });
  }
  const phone = await startPhone(t);
  for (let i = 0; i < 6; i++) await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered.catch(() => undefined);
  // Whose turn is the first is the server's choice.
  const round = taken.slice(0, 3);
  t.same([...round].sort(), ['a', 'b', 'c']);
  t.same(taken.slice(3), round);
});

t.test('routing: BYE, PRACK and UPDATE that belong to no dialog get 481 where nobody takes them', async (t) => {
  const server = await startServer(t);
  const phone = await startPhone(t);
  for (const method of DRACHTIO ? ['BYE', 'UPDATE'] : ['BYE', 'PRACK', 'UPDATE']) {
    t.equal((await phone.request({ method, uri: uriOf(server) }))?.status, 481, method);
  }
});

t.test('routing: without an application a request gets 503; when one has gone the others take its turn', async (t) => {
  const server = await startServer(t);
  const phone = await startPhone(t);
  const statusOf = () => phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered.catch((err: unknown) => err);
  t.match(await statusOf(), { status: 503 });
  const first = await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(480)));
  const second = await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
  disconnect(first);
  await lostClient(server, second);
  t.match(await statusOf(), { status: 486 });
  t.match(await statusOf(), { status: 486 });
});
