import { Readable } from 'node:stream';
import t from 'tap';
import { type ReadOptions, readRates } from './read-rates.js';

const read = (text: string | Buffer, options?: ReadOptions, chunkBytes = 7) => {
  const bytes = Buffer.from(text);
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, i) =>
    bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes),
  );
  return readRates(Readable.from(chunks), options);
};
const rowsOf = async (text: string, options?: ReadOptions) => [...(await read(text, options)).builder.rows()];
const NEVER = 0xffff_ffff;

t.test(
  'rates CSV: columns are found by name, in any order; others, blanks, quotes, CRLF and a BOM do not matter',
  async (t) => {
    const expected = [
      { prefix: '1555', rateMicros: 12_500, effectiveFromSec: 0, effectiveUntilSec: NEVER },
      { prefix: '49', rateMicros: 2_000_000, effectiveFromSec: 1_767_225_600, effectiveUntilSec: 1_769_904_000 },
    ];
    t.same(
      await rowsOf('prefix,rate,effective_from,effective_to\n1555,0.0125,,\n49,2,2026-01-01,2026-02-01\n'),
      expected,
    );
    t.same(
      await rowsOf(
        '\ufeffDestination, Rate ,"Prefix",effective_to,EFFECTIVE_FROM\r\n"USA, ""555""\nnew line",0.0125,+1555\r\n\r\nx,2.0, 49 ,2026-02-01T00:00:00Z,2026-01-01T01:00:00+01:00',
      ),
      expected,
    );
    t.same(await rowsOf('prefix;rate\n1555;0.0125\n', { delimiter: ';' }), expected.slice(0, 1));
  },
);

t.test('rates CSV: every bad row is named by line, column and reason; good ones around them are kept', async (t) => {
  const { badRows, badRowCount, builder, unreadable } = await read(
    [
      'prefix,rate,effective_from,effective_to',
      '1,0.01',
      ',0.01',
      '12a,0.01',
      '1234567890123456,0.01',
      '44,',
      '44,-1',
      '44,1e3',
      '44,4294.1',
      '44,"0,01"',
      '44,0.01,2026-02-31',
      '44,0.01,31.12.2026',
      '44,0.01,1969-12-31',
      '44,0.01,2026-02-01,2026-02-01',
      '"multi',
      'line",0.01',
      '+1,0.02',
      '2,0.0000004',
    ].join('\n'),
  );
  t.equal(unreadable, false);
  t.equal(badRowCount, 14);
  t.match(badRows, [
    { line: 3, column: 'prefix', reason: /^"" is not a prefix of 1 to 15 digits/ },
    { line: 4, column: 'prefix' },
    { line: 5, column: 'prefix' },
    { line: 6, column: 'rate', reason: /^"" is not a price/ },
    { line: 7, column: 'rate' },
    { line: 8, column: 'rate' },
    { line: 9, column: 'rate' },
    { line: 10, column: 'rate', reason: /"0,01" is not a price from 0 to 4294, such as 0.0125/ },
    { line: 11, column: 'effective_from', reason: /"2026-02-31" is not a date/ },
    { line: 12, column: 'effective_from' },
    { line: 13, column: 'effective_from' },
    { line: 14, column: 'effective_to', reason: /not after effective_from/ },
    { line: 16, column: 'prefix' },
    { line: 17, column: 'prefix', reason: /1 has a price of the same effective_from in line 2/ },
  ]);
  t.match([...builder.rows()], [{ prefix: '1' }, { prefix: '2', rateMicros: 0 }]);
});

t.test('rates CSV: a file that is none is unreadable, with the reason', async (t) => {
  const reasonOf = async (text: string | Buffer) => {
    const { unreadable, badRows, badRowCount } = await read(text, {}, 5_000);
    t.ok(unreadable);
    t.equal(badRowCount, 1);
    return badRows[0];
  };
  t.match(await reasonOf(''), { line: 1, reason: /empty/ });
  t.match(await reasonOf('1555,0.01\n'), { line: 1, reason: /must name the columns; missing: prefix, rate/ });
  t.match(await reasonOf('prefix,price\n1,1\n'), { reason: /missing: rate$/ });
  t.match(await reasonOf(`prefix,rate\n1,0.01\n2,"${'x'.repeat(40_000)}`), { line: 3, reason: /Max Record Size/i });
  t.match(await reasonOf('prefix,rate\n1,0.01\n2,"1"x\n'), { line: 3, reason: /quote/i });
  t.match(await reasonOf(Buffer.from([0x50, 0x4b, 3, 4, 0, 0, 255, 254])), { reason: /must name the columns/ });
});

t.test('rates CSV: of more bad rows than a thousand the first are listed and all are counted', async (t) => {
  const { badRows, badRowCount } = await read(`prefix,rate\n${'x,1\n'.repeat(1_500)}`, {}, 4_096);
  t.equal(badRowCount, 1_500);
  t.equal(badRows.length, 1_000);
  t.equal(badRows.at(-1)?.line, 1_001);
});

t.test('rates CSV: an error of the source, and an abort, are thrown', async (t) => {
  const broken = new Readable({ read() {} });
  const failing = readRates(broken);
  broken.push('prefix,rate\n1,0.01\n');
  broken.destroy(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
  await t.rejects(failing, { code: 'ECONNRESET' });
  const abort = new AbortController();
  const endless = new Readable({ read() {} });
  const reading = readRates(endless, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await t.rejects(reading, { message: 'enough' });
  t.ok(endless.destroyed);
});
