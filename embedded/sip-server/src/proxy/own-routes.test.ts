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
