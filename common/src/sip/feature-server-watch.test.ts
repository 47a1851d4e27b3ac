import t from 'tap';
import { until } from '../testing/until.js';
import { watchFeatureServers } from './feature-server-watch.js';

/** A server that is in the list, and whether its SIP server answers. */
function oneServer() {
  const state = { answers: true, listed: true };
  const server = { instanceId: 'fs-one', sipAddress: '127.0.0.1:5060' };
  const watch = watchFeatureServers(
    { list: () => (state.listed ? [server] : []) },
    { reachable: () => state.answers, close: () => {} },
  );
  t.teardown(() => watch.close());
  return { state, watch };
}

t.test('a call hears of every death of its feature server, also after a false alarm', async (t) => {
  const { state, watch } = oneServer();
  let alarms = 0;
  const stop = watch.onGone('fs-one', () => alarms++);
  state.answers = false;
  await until('it is told', () => alarms === 1);
  state.answers = true;
  await until('it is back', () => !watch.gone('fs-one').aborted);
  t.equal(alarms, 1, 'one for each death');
  state.answers = false;
  await until('it is told again', () => alarms === 2);
  let told = 0;
  const stopOther = watch.onGone('fs-one', () => told++);
  t.equal(told, 1, 'who comes while it is gone is told at once');
  stop();
  stopOther();
});

t.test('a server that leaves Redis is gone until it is back; what waits on it then waits anew', async () => {
  const { state, watch } = oneServer();
  const first = watch.gone('fs-one');
  state.listed = false;
  await until('it is gone', () => first.aborted);
  state.listed = true;
  await until('it is back', () => !watch.gone('fs-one').aborted);
});
