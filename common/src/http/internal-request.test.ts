import t from 'tap';
import { INTERNAL_SIGNATURE, openInternal, signInternal } from './internal-request.js';

const AT = 1_700_000_000_000;

t.test('a request between our processes is taken only with the same secret, for its path, unchanged and fresh', (t) => {
  const { body, headers } = signInternal('secret', '/a', { call: 1 }, AT);
  const open = (secret: string, path: string, changes: { body?: unknown; signature?: string } = {}, now = AT) =>
    openInternal(
      secret,
      path,
      { signature: headers[INTERNAL_SIGNATURE], body: JSON.parse(body) as unknown, ...changes },
      now,
    );
  t.same(open('secret', '/a'), { call: 1 });
  t.same(open('secret', '/a', {}, AT + 59_000), { call: 1 });
  t.equal(open('another', '/a'), undefined);
  t.equal(open('secret', '/b'), undefined);
  t.equal(open('secret', '/a', { body: { payload: '{"call":2}' } }), undefined);
  t.equal(open('secret', '/a', { body: 'text' }), undefined);
  t.equal(open('secret', '/a', { signature: 'nonsense' }), undefined);
  t.equal(open('secret', '/a', {}, AT + 61_000), undefined);
  t.end();
});
