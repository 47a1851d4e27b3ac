import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { startServer } from '../test-peer.js';

const SCHED_RR = 2;

/** Scheduling policies of this process' threads (proc(5), field 41 of stat). */
function policies(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]);
  });
}

function mayRunInRealTime(): boolean {
  try {
    execFileSync('chrt', ['--rr', '1', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const skip = mayRunInRealTime() ? false : 'needs chrt and the right to use it';

t.test('media threads run in real time where that is allowed, no other thread does', { skip }, async (t) => {
  await startServer(t, ['--workers', '2', '--realtime', 'on']);
  t.equal(policies().filter((policy) => policy === SCHED_RR).length, 2);
});

t.test('--realtime off: no thread runs in real time', async (t) => {
  await startServer(t);
  t.notOk(policies().includes(SCHED_RR));
});
