import { randomUUID } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';

/** Calls that rtpengine holds, asked over its ng control protocol (bencode over UDP). */
export async function rtpengineSessions({ host, port }: { host: string; port: number }): Promise<string[]> {
  const socket = dgram.createSocket('udp4');
  try {
    // Of a cookie that it knows rtpengine repeats what it has answered before.
    socket.send(`${randomUUID()} d7:command4:list5:limiti1000ee`, port, host);
    const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(3_000) })) as [Buffer];
    const text = answer.toString('latin1');
    const list = text.slice(text.indexOf('5:callsl') + '5:callsl'.length);
    return [...readStrings(list)];
  } finally {
    socket.close();
  }
}

/** The byte strings of a bencoded list up to its end. */
function* readStrings(list: string): Generator<string> {
  let rest = list;
  for (;;) {
    const match = /^(\d+):/.exec(rest);
    if (!match) return;
    const start = match[0].length;
    const end = start + Number(match[1]);
    yield rest.slice(start, end);
    rest = rest.slice(end);
  }
}
