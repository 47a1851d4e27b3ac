import t from 'tap';
import { StreamFramer } from './stream-framer.js';

const one = 'OPTIONS sip:a@b SIP/2.0\r\nl: 5\r\n\r\nhello';
const two = 'SIP/2.0 200 OK\r\nContent-Length : 0\r\n\r\n';

t.test('framing: messages byte by byte and several at once', async (t) => {
  const framer = new StreamFramer();
  const found: string[] = [];
  for (const byte of Buffer.from(one + two)) found.push(...framer.push(Buffer.from([byte])).messages.map(String));
  t.same(found, [one, two]);
  t.same(framer.push(Buffer.from(two + one + two)).messages.map(String), [two, one, two]);
  t.equal(framer.bufferedBytes, 0);
});

t.test('framing: line ends between messages are keep-alives', async (t) => {
  const framed = new StreamFramer().push(Buffer.from(`\r\n\r\n${two}\r\n\r\n\r\n\r\n`));
  t.equal(framed.keepAlives, 3);
  t.equal(framed.messages.length, 1);
});

t.test('framing: the buffer is bounded', async (t) => {
  const limits = { maxHeadBytes: 100, maxBodyBytes: 50, maxHeaders: 9 };
  t.equal(new StreamFramer(limits).push(Buffer.alloc(101, 0x41)).fault, 'too-large');
  t.equal(new StreamFramer(limits).push(Buffer.from('A\r\nl: 51\r\n\r\n')).fault, 'too-large');
  t.equal(new StreamFramer(limits).push(Buffer.from('A\r\nl: x\r\n\r\n')).fault, 'bad-content-length');
  t.equal(
    new StreamFramer(limits).push(Buffer.from('A\r\nl: 1\r\nContent-Length: 2\r\n\r\n')).fault,
    'bad-content-length',
  );
});

t.test('framing: a double CRLF that comes in pieces is one keep-alive, a single CRLF (a pong) is none', async (t) => {
  const framer = new StreamFramer();
  const counts = ['\r\n\r', '\n', '\r', '\n', `${two}\r\n`].map((piece) => framer.push(Buffer.from(piece)).keepAlives);
  t.same(counts, [0, 1, 0, 0, 0]);
});

t.test('framing: messages that were cut out are not written to by later bytes', async (t) => {
  const framer = new StreamFramer();
  framer.push(Buffer.from(one.slice(0, 10)));
  const [first] = framer.push(Buffer.from(one.slice(10) + two.slice(0, 5))).messages;
  const [second] = framer.push(Buffer.from(two.slice(5) + one)).messages;
  t.same([first?.toString(), second?.toString()], [one, two]);
});

t.test('framing: the first empty line ends the headers, whatever line ends come after it', async (t) => {
  const mixed = 'OPTIONS sip:a@b SIP/2.0\nX: 1\n\nOPTIONS sip:c@d SIP/2.0\r\n\r\n';
  const wanted = ['OPTIONS sip:a@b SIP/2.0\nX: 1\n\n', 'OPTIONS sip:c@d SIP/2.0\r\n\r\n'];
  t.same(new StreamFramer().push(Buffer.from(mixed)).messages.map(String), wanted);
  const pieces = new StreamFramer();
  const found = [...Buffer.from(mixed)].flatMap((byte) => pieces.push(Buffer.from([byte])).messages.map(String));
  t.same(found, wanted);
});
