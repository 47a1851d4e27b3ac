import t from 'tap';
import type { ReferRequest } from './call-leg.js';
import { type Transferor, transferOf } from './transfer-target.js';

const ALICE: Transferor = {
  user: 'alice@example.com',
  mayCallUsers: true,
  mayCallAnybody: false,
  isUser: (name) => name === '101',
};
const to = (uri: string): ReferRequest => ({ uri, referredBy: undefined, headers: {}, notify: async () => {} });

/** `<routing> <address>`, or the status. */
function outcome(uri: string, transferor: Partial<Transferor> = {}): string | number {
  const found = transferOf(to(uri), { ...ALICE, ...transferor });
  return found.ok ? `${found.target.routing} ${found.target.address}` : found.status;
}

t.test('without the application, a user may have users of his realm called and nobody else', (t) => {
  t.equal(outcome('sip:bob@example.com'), 'user bob@example.com');
  t.equal(outcome('sip:bob@EXAMPLE.com'), 'user bob@example.com');
  t.equal(outcome('sip:101@example.com'), 'user 101@example.com', 'an extension');
  t.equal(outcome('sip:4930777@example.com'), 'user 4930777@example.com', 'a number is at most a user');
  t.equal(outcome('tel:+4930777'), 403);
  t.equal(outcome('sip:4930777@198.51.100.1'), 403);
  t.equal(outcome('sip:x@elsewhere.example'), 403);
  t.equal(outcome('sip:bob@example.com', { mayCallUsers: false }), 403, 'who may not call users directly');
  t.equal(outcome('sip:bob@example.com', { user: undefined }), 403, 'a caller of a carrier');
  t.equal(outcome('sip:example.com'), 400);
  t.end();
});

t.test('where the application asks for transfers they lead anywhere, an extension to its user', (t) => {
  const asked = { mayCallAnybody: true, mayCallUsers: false };
  t.equal(outcome('sip:bob@example.com', asked), 'user bob@example.com');
  t.equal(outcome('sip:101@example.com', asked), 'user 101@example.com');
  t.equal(outcome('sip:4930777@example.com', asked), 'phone 4930777');
  t.equal(outcome('tel:+4930777', asked), 'phone +4930777');
  t.equal(outcome('sip:4930777@pbx.example', asked), 'sip sip:4930777@pbx.example', 'a foreign host is asked itself');
  t.equal(outcome('sip:bob@example.com', { ...asked, user: undefined }), 403, 'a caller of a carrier');
  t.end();
});
