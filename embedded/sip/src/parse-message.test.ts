import t from 'tap';
import { checkMessage } from './check-message.js';
import { parseMessage } from './parse-message.js';

const crlf = (text: string): Buffer => Buffer.from(text.replace(/\n/g, '\r\n'));

const OPTIONS = crlf(`OPTIONS sip:bob@127.0.0.1 SIP/2.0
v: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa, SIP/2.0/TCP h;branch=z9hG4bKb
X-Odd_Header:  kept ; as="it, is"
f: "A, B" <sip:a@h;x=y>;tag=1
t: <sip:bob@h>
i: abc@h
CSeq: 7 OPTIONS
Subject: one
  two
\tthree
l: 4

body`);

t.test('parse: compact names, folding, lists and unknown headers come through', async (t) => {
  const parsed = parseMessage(OPTIONS);
  t.ok(parsed.ok);
  if (!parsed.ok) return;
  const { message } = parsed;
  t.equal(message.method, 'OPTIONS');
  t.equal(message.get('From'), '"A, B" <sip:a@h;x=y>;tag=1');
  t.equal(message.get('Subject'), 'one two three');
  t.same(message.getList('via'), ['SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa', 'SIP/2.0/TCP h;branch=z9hG4bKb']);
  t.equal(message.get('x-odd_header'), '; as="it, is"'.replace(/^/, 'kept '));
  t.equal(message.bodyText, 'body');
  t.equal(checkMessage(message), undefined);
  t.same(
    message.headers.map((header) => header.name),
    ['v', 'X-Odd_Header', 'f', 't', 'i', 'CSeq', 'Subject', 'l'],
  );
});

t.test('parse: what is written again is read again the same', async (t) => {
  const first = parseMessage(OPTIONS);
  if (!first.ok) throw first.error;
  const second = parseMessage(first.message.toBuffer());
  if (!second.ok) throw second.error;
  t.same(second.message.headers, first.message.headers);
  t.same(second.message.body, first.message.body);
});

t.test('parse: bytes that are not UTF-8 go out as they came in', async (t) => {
  const odd = Buffer.concat([
    Buffer.from('SIP/2.0 200 \xf6k\r\nSubject: \xe4\xff\r\nContent-Length: 0\r\n\r\n', 'latin1'),
  ]);
  const parsed = parseMessage(odd);
  if (!parsed.ok) throw parsed.error;
  t.same(parsed.message.toBuffer(), odd);
});

t.test('parse: a no-break space stays in a reason phrase and is in no header name', async (t) => {
  const reason = parseMessage(Buffer.from('SIP/2.0 200 ok\u00a0\r\nContent-Length: 0\r\n\r\n'));
  t.same(reason.ok && reason.message.reason, 'ok\u00a0');
  const name = parseMessage(Buffer.from('OPTIONS sip:a@b SIP/2.0\r\nX\xa0: y\r\n\r\n', 'latin1'));
  t.same(!name.ok && name.error.reason, 'bad-header');
});

t.test('parse: a folded line of nothing but white space adds nothing to its header', async (t) => {
  const parsed = parseMessage(Buffer.from('OPTIONS sip:a@b SIP/2.0\r\nAccept: a/b,\r\n \t\r\nX:\r\n \r\n y\r\n\r\n'));
  t.same(parsed.ok && [parsed.message.get('Accept'), parsed.message.get('X')], ['a/b,', 'y']);
});

for (const [reason, text] of [
  ['empty', '\r\n\r\n'],
  ['not-sip', 'GET / HTTP/1.1\r\n\r\n'],
  ['bad-version', 'OPTIONS sip:a@b SIP/3.0\r\n\r\n'],
  ['bad-start-line', 'SIP/2.0 99 x\r\n\r\n'],
  ['bad-start-line', 'OPTIONS <sip:a@b> SIP/2.0\r\n\r\n'],
  ['bad-header', 'OPTIONS sip:a@b SIP/2.0\r\nno colon here\r\n\r\n'],
  ['bad-header', 'OPTIONS sip:a@b SIP/2.0\r\n folded: first\r\n\r\n'],
  ['truncated', 'OPTIONS sip:a@b SIP/2.0\r\nVia: x'],
  ['truncated', 'OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 5\r\n\r\nabc'],
  ['bad-content-length', 'OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n'],
  ['bad-content-length', 'OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\nab'],
] as const) {
  t.test(`parse: refused as ${reason}: ${JSON.stringify(text.slice(0, 60))}`, async (t) => {
    const parsed = parseMessage(Buffer.from(text));
    t.equal(parsed.ok ? 'accepted' : parsed.error.reason, reason);
  });
}

t.test('parse: limits on headers and body hold', async (t) => {
  const limits = { maxHeadBytes: 200, maxBodyBytes: 10, maxHeaders: 3 };
  const refused = (text: string): string => {
    const parsed = parseMessage(Buffer.from(text), limits);
    return parsed.ok ? 'accepted' : parsed.error.reason;
  };
  t.equal(refused(`OPTIONS sip:a@b SIP/2.0\r\nX: ${'x'.repeat(300)}\r\n\r\n`), 'too-large');
  t.equal(refused(`OPTIONS sip:a@b SIP/2.0\r\n${'X: y\r\n'.repeat(4)}\r\n`), 'too-many-headers');
  t.equal(refused(`OPTIONS sip:a@b SIP/2.0\r\nl: 11\r\n\r\n${'x'.repeat(11)}`), 'too-large');
});
