import t from 'tap';
import { customHeaders, isInternalHeader, passableHeaders, reasonHeader } from './header-policy.js';

t.test('headers of a leg, of authentication and of our own processes do not go on', async (t) => {
  const headers = {
    via: 'v',
    from: 'f',
    'record-route': '<sip:a>',
    authorization: 'Digest secret',
    'proxy-authorization': 'Digest secret',
    'session-expires': '90',
    'max-forwards': '3',
    'X-Account-Sid': 'a',
    'x-call-sid': 'b',
    'X-Jambonz-Routing': 'sip',
    'X-FS-Calls': '1',
    'X-Custom': 'kept',
    subject: 'kept',
    'p-asserted-identity': '<sip:1@a>',
    'user-agent': 'phone',
  };
  t.same(passableHeaders({ headers }), {
    'X-Custom': 'kept',
    subject: 'kept',
    'p-asserted-identity': '<sip:1@a>',
    'user-agent': 'phone',
  });
  t.same(Object.keys(customHeaders({ headers })), ['X-Custom', 'p-asserted-identity']);
  t.ok(isInternalHeader('X-CID'));
  t.notOk(isInternalHeader('X-Reason'));
});

t.test('folded values become one line; other control characters take the header with them', async (t) => {
  const headers = { subject: 'one\r\n  two', 'X-Bad': 'a\r\nInjected: b', 'X-Null': 'a\u0000b', 'X-Tab': 'a\tb' };
  t.same(passableHeaders({ headers }), { subject: 'one two', 'X-Tab': 'a\tb' });
});

t.test('a reason is one short printable line', async (t) => {
  t.same(reasonHeader('no\r\nway: ü'), { 'X-Reason': 'no way:  ' });
  t.equal(reasonHeader('x'.repeat(500))['X-Reason']?.length, 200);
});
