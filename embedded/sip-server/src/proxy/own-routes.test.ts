import t from 'tap';
import { notDrachtio, startServer } from '../test-rig.js';
import { OwnRoutes } from './own-routes.js';

t.test('own routes: addresses and --dns-name are ours, at our ports only (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  const { port } = server.layer.addressFor('udp');
  const routes = new OwnRoutes(server.layer, 'secret', ['sip.example.com']);
  t.ok(routes.isOwn(`sip:127.0.0.1:${port};lr`));
  t.ok(routes.isOwn(`sip:a@SIP.Example.com:${port}`));
  t.notOk(routes.isOwn(`sip:sip.example.com:${port + 1}`));
  t.notOk(routes.isOwn(`sip:other.example.com:${port}`));
});

t.test(
  'own routes: maddr decides whose a URI is, and goes where it led here (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const { port } = server.layer.addressFor('udp');
    const routes = new OwnRoutes(server.layer, 'secret');
    t.ok(routes.isOwn(`sip:b@elsewhere.test:${port};maddr=127.0.0.1`));
    t.notOk(routes.isOwn(`sip:b@127.0.0.1:${port};maddr=192.0.2.1`));
    const stripped = routes.withoutOwnMaddr(`sip:b@elsewhere.test:${port};maddr=127.0.0.1;transport=udp;user=phone`);
    t.equal(stripped, 'sip:b@elsewhere.test;user=phone');
    for (const kept of [
      `sip:b@elsewhere.test;maddr=192.0.2.1`,
      `sip:maddr@127.0.0.1:${port}`,
      'tel:+1;maddr=127.0.0.1',
    ]) {
      t.equal(routes.withoutOwnMaddr(kept), kept);
    }
  },
);
