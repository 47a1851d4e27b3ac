import t, { type Test } from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpApplication } from '../app-client/http-application.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { ApplicationServer } from '../testing/application-server.js';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import { SessionApplication } from './session-application.js';

async function setUp(t: Test) {
  const server = await ApplicationServer.start();
  t.teardown(() => server.stop());
  const client = new HttpClient(new AddressGuard({ allowPrivate: true }));
  t.teardown(() => client.close());
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
  return { server, sink, app };
}

t.test('hooks that are only told wait in bounded number: a slow application misses what is more', async (t) => {
  const { server, sink, app } = await setUp(t);
  let answerFirst = (): void => {};
  server.on('/told', (response, { json }) => {
    if (json.n === 0) answerFirst = () => response.writeHead(204).end();
    else response.writeHead(204).end();
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

t.test('the action hook of a verb that ended with the call does not wait behind what is told of a room', async (t) => {
  const { server, app } = await setUp(t);
  let answer = (): void => {};
  server.on('/events', (response) => {
    answer = () => response.writeHead(204).end();
  });
  server.on('/left', []);
  app.tell('/events', {});
  await server.next('/events');
  app.inform({ id: 'room', actionHook: '/left' }, {});
  t.match((await server.next('/left')).json, { verb_id: 'room' });
  answer();
  await app.settled();
});
