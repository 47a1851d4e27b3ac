import t from 'tap';
import { formatNameAddr, formatUri, parseNameAddr, parseUri, tagOf } from './address.js';
import { splitList } from './message.js';
import { formatVia, parseCSeq, parseVia } from './via.js';

t.test('URI: every part is read and written back', async (t) => {
  const text = 'sip:al%20ice;x=y:pw@[::1]:5080;transport=tcp;lr?Subject=a%3db';
  const uri = parseUri(text)!;
  t.match(uri, {
    scheme: 'sip',
    user: 'al%20ice;x=y',
    password: 'pw',
    host: '[::1]',
    port: 5080,
    headers: 'Subject=a%3db',
  });
  t.same(
    [...uri.params],
    [
      ['transport', 'tcp'],
      ['lr', ''],
    ],
  );
  t.equal(formatUri(uri), text);
  t.match(parseUri('tel:+1-201;phone-context=x'), { scheme: 'tel', user: '+1-201', host: '' });
  t.match(parseUri('sip:127.0.0.1'), { user: '', host: '127.0.0.1', port: undefined });
});

for (const text of ['', 'sip:', 'nonsense', 'sip:a b@c', 'sip:a@b:99999', 'sip:a@', 'sip:a@b:x']) {
  t.test(`URI: refused: ${JSON.stringify(text)}`, async (t) => t.equal(parseUri(text), undefined));
}

t.test('name-addr: display names, brackets and parameters', async (t) => {
  t.match(parseNameAddr('"A \\"B\\" <x>" <sip:a@b;p=1>;tag=t;q="a;b"'), {
    display: 'A "B" <x>',
    uri: 'sip:a@b;p=1',
    tag: 't',
  });
  t.match(parseNameAddr('Bob Smith <sip:b@c>'), { display: 'Bob Smith', uri: 'sip:b@c', tag: undefined });
  t.match(parseNameAddr('sip:b@c;tag=t'), { uri: 'sip:b@c', tag: 't' });
  t.equal(formatNameAddr({ display: 'A "B"', uri: 'sip:a@b' }), '"A \\"B\\"" <sip:a@b>');
  for (const bad of ['"open <sip:a@b>', '<sip:a@b', 'x', '"a" sip:b@c', '<sip:a@b> junk'])
    t.equal(parseNameAddr(bad), undefined, bad);
});

t.test('tag: found only among the header parameters', async (t) => {
  t.equal(tagOf('"x;tag=no" <sip:a@b;tag=no>;x=1;tag=yes;y'), 'yes');
  t.equal(tagOf('<sip:a@b;tag=no>'), undefined);
  t.equal(tagOf('sip:a@b;tag=yes'), 'yes');
});

t.test('lists: split at commas outside quotes and brackets', async (t) => {
  t.same(splitList('<sip:a,b@c>, "x, y" <sip:d@e> ,,z'), ['<sip:a,b@c>', '"x, y" <sip:d@e>', 'z']);
});

t.test('Via and CSeq', async (t) => {
  const via = parseVia('SIP / 2.0 / tcp  h.example : 5061 ;rport; branch=z9hG4bK1')!;
  t.match(via, { transport: 'TCP', host: 'h.example', port: 5061, branch: 'z9hG4bK1' });
  t.equal(formatVia(via), 'SIP/2.0/TCP h.example:5061;rport;branch=z9hG4bK1');
  t.equal(parseVia('HTTP/1.1 x'), undefined);
  t.same(parseCSeq('7 INVITE'), { seq: 7, method: 'INVITE' });
  for (const bad of ['INVITE', '7', '99999999999 INVITE', '4294967296 INVITE', '-1 BYE'])
    t.equal(parseCSeq(bad), undefined, bad);
});
