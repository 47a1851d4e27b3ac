import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs tshark over a capture file; undefined where it is not installed. */
export function tshark(pcap: Buffer, args: readonly string[]): string | undefined {
  if (!hasTshark) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'ringwire-pcap-'));
  try {
    const file = join(folder, 'call.pcap');
    writeFileSync(file, pcap);
    const { stdout, stderr, status } = spawnSync('tshark', ['-r', file, ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`tshark: ${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Whether tshark can be asked; tests that need it are skipped with that reason. */
export const hasTshark = spawnSync('tshark', ['-v']).status === 0;
export const needsTshark = hasTshark ? {} : { skip: 'tshark is not installed' };
