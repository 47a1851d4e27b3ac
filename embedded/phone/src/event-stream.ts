import { PhoneError } from './errors.js';

/** What reading a stream of server-sent events needs. */
export interface EventStreamOptions {
  url: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/**
 * Reads server-sent events (WHATWG HTML §9.2) and yields the `data` of each.
 *
 * Ends when the server closes the stream or the signal aborts.
 *
 * @throws PhoneError `phone/event-stream` when the server does not answer 200 with `text/event-stream`.
 */
export async function* readEventStream({ url, headers = {}, signal }: EventStreamOptions): AsyncGenerator<string> {
  const response = await fetch(url, {
    headers: { ...headers, accept: 'text/event-stream' },
    ...(signal ? { signal } : {}),
  });
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || !type.startsWith('text/event-stream') || !response.body) {
    await response.body?.cancel();
    throw new PhoneError('phone/event-stream', `${url} answered ${response.status} ${type}`, {
      status: response.status,
      type,
    });
  }
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '' && data.length > 0) {
        yield data.join('\n');
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
      }
    }
  }
}
