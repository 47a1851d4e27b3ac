import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const ANSWER_MS = 8000;

interface Frame {
  functionName: string;
  location: { scriptId: string; lineNumber: number };
}

interface Message {
  method?: string;
  params?: { callFrames: Frame[]; scriptId: string; url: string };
}

/** Where the main thread of a Node process is that hears nothing any more: asks its inspector. The process was started with `--inspect-port=0`. */
export async function stackOf(child: ChildProcess): Promise<string> {
  const over = new AbortController();
  try {
    const late = sleep(ANSWER_MS, 'the inspector does not answer', { signal: over.signal });
    late.catch(() => {});
    return await Promise.race([ask(child), late]);
  } catch (error) {
    return `no stack: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    over.abort();
  }
}

async function ask(child: ChildProcess): Promise<string> {
  const address = new Promise<string>((resolve) => {
    child.stderr?.on('data', (text: string) => {
      const [, url] = /listening on (ws:\S+)/.exec(text) ?? [];
      if (url) resolve(url);
    });
  });
  child.kill('SIGUSR1');
  const socket = new WebSocket(await address);
  const urls = new Map<string, string>();
  return await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      socket.send('{"id":1,"method":"Debugger.enable"}');
      socket.send('{"id":2,"method":"Debugger.pause"}');
    });
    socket.on('message', (data) => {
      const { method, params } = JSON.parse(String(data)) as Message;
      if (method === 'Debugger.scriptParsed') urls.set(params!.scriptId, params!.url);
      if (method !== 'Debugger.paused') return;
      const frames = params?.callFrames ?? [];
      resolve(
        frames
          .map(
            (at) =>
              `    at ${at.functionName || '?'} (${urls.get(at.location.scriptId) ?? '?'}:${at.location.lineNumber + 1})`,
          )
          .join('\n'),
      );
      socket.terminate();
    });
  });
}
