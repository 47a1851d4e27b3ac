import t from 'tap';
import { noInputMs } from './quantities.js';

t.test('the silence of a bot is never so short that it is asked without end', async (t) => {
  t.equal(noInputMs(undefined), undefined);
  t.equal(noInputMs(0), undefined, 'none');
  t.equal(noInputMs(0.001), 500);
  t.equal(noInputMs('10'), 10_000);
});
