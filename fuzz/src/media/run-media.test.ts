import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Random } from '../random.js';
import { FileInputs } from './file-inputs.js';
import { readFailure, writeFailure } from './input.js';
import { formatMediaSummary, runMediaFuzz } from './run-media.js';
import { watchStalls } from './stall-meter.js';
import { fillIn, HTTP_PORT, uuidOf } from './stand-ins.js';

const PACKETS = 1500;
const FILES = 500;
const SEED = 3550;

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'fuzz-test-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

t.test(
  `fuzz media: ${PACKETS} packets and ${FILES} files (seed ${SEED}) crash nothing, and good calls work`,
  async (t) => {
    const outDir = folder();
    const summary = await runMediaFuzz({ packets: PACKETS, files: FILES, seed: SEED, outDir });
    t.ok(summary.ok, formatMediaSummary(summary));
    t.same(readdirSync(outDir), []);
    t.equal(summary.packets?.inputs, PACKETS);
    t.equal(summary.files?.inputs, FILES);
    t.ok(summary.packets!.probes >= 1, 'a good call was heard after all of them');
    t.ok(summary.packets!.counts.rtp_packets_in_total! > 100, 'RTP came to the calls');
    t.equal(Object.keys(summary.packets!.kinds).length, 13, 'packets of every kind');
    t.equal(Object.keys(summary.files!.kinds).length, 8, 'files of every kind');
  },
);

t.test('fuzz media: the same seed gives the same files, another seed others', async (t) => {
  const inputs = new FileInputs();
  const files = (seed: number): string[] =>
    Array.from({ length: 200 }, (_, n) => digest(inputs.make(n, Random.of(seed, n)).bytes));
  t.same(files(7), files(7));
  t.notSame(files(7), files(8));
});

t.test('fuzz media: a failure that was written is run again alone', async (t) => {
  const input = { n: 5, kind: 'wav', to: '.wav', bytes: Buffer.from('RIFF, but no more') };
  const path = writeFailure(folder(), 9, { part: 'files', what: 'error', error: 'x', inputs: [input] });
  t.same(readFailure(path), { seed: 9, part: 'files', inputs: [input] });
  const summary = await runMediaFuzz({ packets: 10, files: 10, seed: 1, outDir: folder(), replay: path });
  t.equal(summary.packets, undefined);
  t.same(summary.files?.kinds, { wav: 1 });
  t.ok(summary.ok);
});

t.test('fuzz media: a thread that does nothing else for more than a second is told', async (t) => {
  const stall = new Promise<number>((resolve) => {
    const stop = watchStalls(
      (ms) => {
        stop();
        resolve(ms);
      },
      () => {},
    );
  });
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const start = process.cpuUsage().user;
  while (process.cpuUsage().user - start < 1_300_000);
  t.ok((await stall) > 1000);
});

t.test('fuzz media: stand-ins are filled in, and no address outside this machine is left', async (t) => {
  const facts = { uuidOf: (index: number) => `call-${index}`, httpPort: 1, forkPort: 2, clientPort: 3 };
  const text = `${uuidOf(7)} http://127.0.0.1:${HTTP_PORT}/x c=IN IP4 192.0.2.1 27.0.0.1 127.0.0.9 1.2`;
  t.equal(
    fillIn(Buffer.from(text), facts).toString(),
    'call-7 http://127.0.0.1:1/x c=IN IP4 127.0.0.1 127.0.0.1 127.0.0.9 1.2',
  );
});
