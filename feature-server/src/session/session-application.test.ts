import t from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpApplication } from '../app-client/http-application.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { ApplicationServer } from '../testing/application-server.js';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import { SessionApplication } from './session-application.js';

t.test('hooks that are only told wait in bounded number: a slow application misses what is more', async (t) => {
  const server = await ApplicationServer.start();
  t.teardown(() => server.stop());
  const client = new HttpClient(new AddressGuard({ allowPrivate: true }));
  t.teardown(() => client.close());
  let answerFirst = (): void => {};
  server.on('/told', (response, { json }) => {
    if (json.n === 0) answerFirst = () => response.writeHead(204).end();
    else response.writeHead(204).end();
  });
  const sink = new CollectingSink();
  const journal = journalOver(sink);
  const callHook = { url: `${server.url}/hook` };
  const app = new SessionApplication({
    application: new HttpApplication({ client, journal, callHook, traceId: 'a'.repeat(32) }),
    info: { commonPayload: () => ({}) },
    journal,
    replace: () => {},
    onLoop: () => {},
    onFailure: () => {},
    reportInvalid: () => {},
  });
  for (let n = 0; n < 150; n++) app.tell('/told', { n });
  await server.next('/told');
  answerFirst();
  await app.settled();
  t.equal(server.seen('/told').length, 100);
  t.equal(sink.lines.filter((line) => line.includes('more are left out')).length, 1);
  app.tell('/told', { n: 'later' });
  await app.settled();
  t.equal(server.seen('/told').length, 101);
});
