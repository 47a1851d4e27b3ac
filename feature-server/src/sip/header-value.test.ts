import t from 'tap';
import { headerValue, reasonPhrase } from './header-value.js';

t.test(
  'header value: one line of bounded length, and an ellipsis is still one after an edge has dropped what is not ASCII',
  async (t) => {
    t.equal(headerValue('must be {"verb": "<name>", …}\r\nX-Evil: 1'), 'must be {"verb": "<name>", ...} X-Evil: 1');
    t.equal(headerValue('x'.repeat(500)).length, 200);
  },
);

t.test('a refusal without a reason of its own is told with the phrase that goes out (RFC 3261 §21)', (t) => {
  t.equal(reasonPhrase(302), 'Moved Temporarily');
  t.equal(reasonPhrase(403), 'Forbidden');
  t.equal(reasonPhrase(699), 'Failed');
  t.end();
});
