import t from 'tap';
import { HeaderIndex } from './header-index.js';
import type { SipMessage } from './message.js';
import { parseMessage } from './parse-message.js';

const REQUEST = [
  'INVITE sip:b@h SIP/2.0',
  'Via: SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport',
  'f: "Ä, B" <sip:a@h>;tag=1',
  'To: <sip:b@h>',
  'X-Odd: a: b,  c',
  'Call-ID: c',
  'CSeq: 1 INVITE',
  'Content-Length: 4',
  '',
  'body',
].join('\r\n');

function read(text: string): SipMessage {
  const parsed = parseMessage(Buffer.from(text));
  if (!parsed.ok) throw parsed.error;
  return parsed.message;
}

t.test('lazy headers: a message that nobody changed is written as it came', async (t) => {
  const message = read(REQUEST);
  t.equal(message.toString(), REQUEST);
  t.equal(message.get('From'), '"Ä, B" <sip:a@h>;tag=1');
  t.equal(message.get('subject'), undefined);
  t.equal(message.toBuffer().toString(), REQUEST);
});

t.test('lazy headers: one value can be replaced by a longer or shorter one, and the others stay', async (t) => {
  for (const value of ['SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport=5061;received=127.0.0.1', 'short']) {
    const message = read(REQUEST);
    message.replaceFirst('v', value);
    t.same([message.get('Via'), message.get('X-Odd'), message.get('l')], [value, 'a: b,  c', '4']);
    t.equal(message.toString(), REQUEST.replace('SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport', value));
  }
});

t.test('lazy headers: a copy is changed without the original, whether it was read before or not', async (t) => {
  const message = read(REQUEST);
  const copies = [message.clone(), message.clone()];
  copies[0]!.replaceFirst('To', '<sip:c@h>');
  copies[1]!.set('To', '<sip:c@h>').prepend('Via', 'first').remove('X-Odd');
  t.equal(message.toString(), REQUEST);
  t.equal(copies[0]!.toString(), REQUEST.replace('To: <sip:b@h>', 'To: <sip:c@h>'));
  t.same(copies[1]!.getAll('Via'), ['first', 'SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport']);
  t.notOk(copies[1]!.has('X-Odd'));
});

t.test(
  'lazy headers: another body is written with its own length, also when Content-Length was missing or said twice',
  async (t) => {
    const message = read(REQUEST);
    message.body = Buffer.from('longer body');
    t.match(message.toString(), /\r\nContent-Length: 11\r\n\r\nlonger body$/);
    t.match(read(REQUEST.replace('Content-Length: 4\r\n', '')).toString(), /\r\nContent-Length: 4\r\n\r\nbody$/);
    const twice = read(REQUEST.replace('Content-Length: 4\r\n', 'Content-Length: 4\r\nl: 4\r\n')).toString();
    t.equal(twice.match(/\r\n(?:l|Content-Length): 4/g)?.length, 1);
  },
);

t.test('lazy headers: spaces around values are no part of them, and stay where they are', async (t) => {
  const plain = read(REQUEST).headers;
  for (const line of ['To:<sip:b@h>', 'To: \t <sip:b@h>', 'To: <sip:b@h> \t']) {
    const text = REQUEST.replace('To: <sip:b@h>', line);
    t.equal(read(text).toString(), text);
    t.same(read(text).headers, plain);
  }
  t.equal(read(REQUEST.replace('X-Odd: a: b,  c', 'X-Odd: ')).get('X-Odd'), '');
});

t.test('lazy headers: folded lines and bare line feeds are read line by line, to the same result', async (t) => {
  const plain = read(REQUEST).headers;
  const others = [
    REQUEST.replace('To: ', 'To : '),
    REQUEST.replace('To: <', 'To:\r\n <'),
    REQUEST.replaceAll('\r\n', '\n'),
  ];
  for (const text of others) {
    t.equal(HeaderIndex.of(text.slice(text.indexOf('\n') + 1, text.search(/\r?\n\r?\n/)), 100), undefined);
    t.same(read(text).headers, plain);
  }
});

t.test('lazy headers: faults are found as ever', async (t) => {
  const faulty: Array<[string, string]> = [
    [REQUEST.replace('X-Odd:', 'X Odd:'), 'bad-header'],
    [REQUEST.replace('X-Odd: a: b,  c', 'X-Odd'), 'bad-header'],
    [REQUEST.replace('Content-Length: 4', 'Content-Length: four'), 'bad-content-length'],
    [REQUEST.replace('Content-Length: 4', 'Content-Length: 5'), 'truncated'],
  ];
  for (const [text, reason] of faulty) {
    const parsed = parseMessage(Buffer.from(text));
    t.match(parsed, { ok: false, error: { reason } });
  }
  const many = parseMessage(Buffer.from(REQUEST), { maxHeadBytes: 1000, maxBodyBytes: 1000, maxHeaders: 6 });
  t.match(many, { ok: false, error: { reason: 'too-many-headers' } });
});
