import t from 'tap';
import { maskSecrets, maskText } from './mask.js';
import { createTimeline } from './timeline.js';
import type { EventSink } from './types.js';

t.test('secrets are masked by the name of their key, however deep', async (t) => {
  const masked = maskSecrets({
    headers: { Authorization: 'Basic dXNlcjpwYXNz', 'Jambonz-Signature': 't=1,v1=ab', 'X-Call-Sid': 'c' },
    body: { password: 'p', nested: [{ api_key: 'k', apiKey: 'k', token: 't', webhook_secret: 's' }], accessToken: 'a' },
    credentials: { user: 'u' },
    usage: { tokens: 7, hasPassword: false },
  });
  t.strictSame(masked, {
    headers: { Authorization: '***', 'Jambonz-Signature': '***', 'X-Call-Sid': 'c' },
    body: {
      password: '***',
      nested: [{ api_key: '***', apiKey: '***', token: '***', webhook_secret: '***' }],
      accessToken: '***',
    },
    credentials: '***',
    usage: { tokens: 7, hasPassword: false },
  });
});

t.test('secrets inside texts are masked: URLs, header lines, JSON carried as text', async (t) => {
  t.equal(maskText('https://joe:pw@host/x?token=abc&a=1'), 'https://***@host/x?token=***&a=1');
  t.equal(maskText('a: b\r\nAuthorization: Digest username="x"\r\nc: d'), 'a: b\r\nAuthorization: ***\r\nc: d');
  t.equal(maskText('{"password":"a\\"b","x":"y"}'), '{"password":"***","x":"y"}');
  t.equal(maskText('sent Bearer 0123456789abcdef'), 'sent Bearer ***');
  t.equal(maskText('say: "Welcome" (espeak, 1.4 s)'), 'say: "Welcome" (espeak, 1.4 s)');
});

t.test('what is too deep, too long or no JSON is cut to plain JSON', async (t) => {
  const loop: Record<string, unknown> = {
    big: 'x'.repeat(20_000),
    at: new Date(0),
    n: 10n,
    f: () => 1,
    e: new Error('boom'),
    b: Buffer.alloc(3),
  };
  loop.self = loop;
  const masked = maskSecrets(loop);
  t.ok(JSON.stringify(masked).length < 100_000);
  t.match(masked, { at: '1970-01-01T00:00:00.000Z', n: '10', e: { name: 'Error', message: 'boom' }, b: '(3 bytes)' });
  t.equal((maskSecrets({ list: new Array(1_000).fill(1) }).list as unknown[]).length, 201);
});

t.test('a timeline emits masked entries about its call', async (t) => {
  const emitted: unknown[][] = [];
  const sink: EventSink = { emit: (...args) => void emitted.push(args) };
  const timeline = createTimeline(sink, { callSid: 'c', sipCallId: 's', accountSid: 'a' });
  timeline.warn('hook', 'POST https://u:p@h/', { authorization: 'x' });
  t.strictSame(emitted, [
    [
      'call.timeline',
      { kind: 'hook', level: 'warn', text: 'POST https://***@h/', data: { authorization: '***' } },
      { callSid: 'c', sipCallId: 's', accountSid: 'a' },
    ],
  ]);
});
