import t from 'tap';
import { notifyOfTransfer } from './refer.js';

t.test('a telephone that does not answer a NOTIFY is not waited for', async (t) => {
  const sent: unknown[] = [];
  const silent = { connected: true, request: (request: unknown) => void sent.push(request) };
  await notifyOfTransfer(silent as unknown as Parameters<typeof notifyOfTransfer>[0], 200, 'OK', 10);
  t.match(sent, [{ method: 'NOTIFY', body: 'SIP/2.0 200 OK\r\n' }]);
});

t.test('a telephone that answers a NOTIFY is waited for, and no longer', async (t) => {
  const quick = { connected: true, request: (_request: unknown, done: () => void) => setImmediate(done) };
  await notifyOfTransfer(quick as unknown as Parameters<typeof notifyOfTransfer>[0], 200, 'OK', 2 ** 30);
  t.pass('the timer does not keep the process up, either');
});
