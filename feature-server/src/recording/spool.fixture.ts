/** Records without end, until it is killed: `node spool.fixture.js <folder>`. Says "recording" when a second is in the file. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { silentLogger } from '../testing/fakes.js';
import { Spool } from './spool.js';

const dir = process.argv[2] ?? '';
const spool = await Spool.open({ dir, logger: silentLogger });
const file = await spool.create({
  callSid: 'killed',
  accountSid: 'acc-1',
  serviceProviderSid: null,
  format: 'wav',
  startedAtMs: Date.UTC(2026, 1, 3),
  sampleRate: 8000,
  channels: 2,
  metadata: {},
});
const samples = new Int16Array(3200).map((_, index) => (index % 2 === 0 ? 1000 : -1000));
for (let isTold = false; ; await pause(5)) {
  file.append(samples);
  const { size } = await stat(join(dir, `${file.id}.part`));
  if (isTold || size < 32_000) continue;
  isTold = true;
  process.stdout.write('recording\n');
}
