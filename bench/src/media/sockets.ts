import { readdir, readFile, readlink } from 'node:fs/promises';

/** TCP state of a listening socket in /proc/net/tcp. */
const LISTENING = '0A';

/** Which process listens on a TCP port of this machine. @throws Error when none of those that may be looked at does */
export async function listenerPid(port: number): Promise<number> {
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1);
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const row of rows) {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    if (local.endsWith(suffix) && state === LISTENING) inodes.add(inode);
  }
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const inode of await socketInodes(Number(name))) if (inodes.has(inode)) return Number(name);
  }
  throw new Error(`no process that listens on port ${port} was found`);
}

/** Datagrams that the kernel dropped because the process did not read its present UDP sockets in time. */
export async function udpDrops(pid: number): Promise<number> {
  const inodes = new Set(await socketInodes(pid));
  let drops = 0;
  for (const file of ['udp', 'udp6']) {
    for (const row of (await readFile(`/proc/net/${file}`, 'utf8')).split('\n').slice(1)) {
      const fields = row.trim().split(/\s+/);
      if (inodes.has(fields[9] ?? '')) drops += Number(fields[12] ?? 0);
    }
  }
  return drops;
}

async function socketInodes(pid: number): Promise<string[]> {
  const inodes: string[] = [];
  // The process may end, or its files be closed, or be another user's, while this looks.
  for (const name of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${name}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode) inodes.push(inode);
  }
  return inodes;
}
