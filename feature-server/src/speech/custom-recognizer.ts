import { WebSocket } from 'ws';
import type { AddressGuard } from '../app-client/address-guard.js';
import { RecognitionError } from '../errors.js';
import type {
  Alternative,
  RecognitionEvent,
  RecognitionOrder,
  RecognitionSession,
  Recognizer,
  RecognizerSettings,
} from './recognizer.js';

const CONNECT_DEADLINE_MS = 5_000;
/** The server closes after `stop`; one that does not is left. */
const GOODBYE_MS = 2_000;
const MAX_MESSAGE_BYTES = 256 * 1024;
/** A server that takes no audio for so long is given up: half a minute at 16 kHz. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const MAX_ALTERNATIVES = 20;

/**
 * The vendors `custom:<name>`: a customer's own server, over the WebSocket protocol of jambonz' custom speech recognition
 * (jambonz.org/docs, "Adding custom speech vendors"): `start`, binary audio and `stop` go there, `transcription` and `error` come back.
 * Where it is and its token stand in `recognizer.customOptions`.
 */
export class CustomRecognizer implements Recognizer {
  readonly vendor = 'custom';

  /** @param guard keeps it away from the operator's own network */
  constructor(private readonly guard: AddressGuard) {}

  sampleRateFor({ spec }: RecognizerSettings): 8000 | 16000 {
    return spec.customOptions?.sampleRate === 16000 ? 16000 : 8000;
  }

  speaks(): boolean {
    return true;
  }

  async open(order: RecognitionOrder, onEvent: (event: RecognitionEvent) => void): Promise<RecognitionSession> {
    const { settings, callSid } = order;
    const { uri, authToken, options } = settings.spec.customOptions ?? {};
    // Some servers send interim results unasked.
    const onAsked = (event: RecognitionEvent): void => {
      if (settings.interim || event.type !== 'heard' || event.speech.isFinal) onEvent(event);
    };
    const { socket, session } = await this.#connect(settings.vendor, uri, authToken, onAsked);
    const { hints, hintsBoost } = settings.spec;
    const start = {
      type: 'start',
      language: settings.language,
      format: 'raw',
      encoding: 'LINEAR16',
      interimResults: settings.interim,
      sampleRateHz: this.sampleRateFor(settings),
      options: { ...options, ...(hints && { hints }), ...(hintsBoost !== undefined && { hintsBoost }), callSid },
    };
    socket.send(JSON.stringify(start));
    return session;
  }

  async #connect(
    vendor: string,
    uri: unknown,
    authToken: unknown,
    onEvent: (event: RecognitionEvent) => void,
  ): Promise<{ socket: WebSocket; session: CustomSession }> {
    if (typeof uri !== 'string' || !URL.canParse(uri) || !/^wss?:$/.test(new URL(uri).protocol)) {
      throw new RecognitionError(`${vendor}: recognizer.customOptions.uri is no ws:// or wss:// URL`, { uri });
    }
    const url = new URL(uri);
    try {
      this.guard.checkLiteral(url);
      const socket = new WebSocket(url, {
        lookup: this.guard.lookup as never,
        perMessageDeflate: false,
        followRedirects: false,
        handshakeTimeout: CONNECT_DEADLINE_MS,
        maxPayload: MAX_MESSAGE_BYTES,
        ...(typeof authToken === 'string' && { headers: { Authorization: `Bearer ${headerSafe(authToken)}` } }),
      });
      // From the first moment on: what it says may come with its consent.
      const session = new CustomSession(socket, onEvent);
      await opened(socket);
      return { socket, session };
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new RecognitionError(`${vendor}: cannot connect to ${url.host}: ${text}`, { host: url.host }, { cause });
    }
  }
}

class CustomSession implements RecognitionSession {
  #isClosed = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly onEvent: (event: RecognitionEvent) => void,
  ) {
    socket.on('message', (data, isBinary) => {
      if (!isBinary && !this.#isClosed) this.#onMessage(String(data));
    });
    socket.once('open', () => {
      socket.on('close', (code) => this.#fail(`the server closed the connection (${code})`));
    });
  }

  write(samples: Int16Array): void {
    const { socket } = this;
    if (this.#isClosed || socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MAX_UNSENT_BYTES) this.#fail('the server takes no audio');
    else socket.send(Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength), { binary: true });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { socket } = this;
    if (socket.readyState !== WebSocket.OPEN) return socket.terminate();
    socket.send(JSON.stringify({ type: 'stop' }));
    // Nobody waits for its goodbye.
    const timer = setTimeout(() => socket.terminate(), GOODBYE_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  #onMessage(text: string): void {
    const message = parsed(text);
    if (!message) {
      this.#fail('the server sent what is no JSON object');
      return;
    }
    const { type, is_final: isFinal, language } = message;
    if (type === 'error') {
      this.#fail(String(message.error ?? 'the server reports an error').slice(0, 500));
      return;
    }
    if (type !== 'transcription') {
      if (typeof type === 'string') this.onEvent({ type: 'vendor-event', event: message });
      return;
    }
    const alternatives = readAlternatives(message.alternatives);
    if (alternatives.length === 0) return;
    this.onEvent({
      type: 'heard',
      speech: {
        isFinal: isFinal === true,
        alternatives,
        ...(typeof language === 'string' && { languageCode: language }),
        evt: message,
      },
    });
  }

  #fail(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.socket.terminate();
    this.onEvent({ type: 'failed', reason });
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function readAlternatives(value: unknown): Alternative[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_ALTERNATIVES).flatMap((one: unknown): Alternative[] => {
    const { transcript, confidence } = (one ?? {}) as { transcript?: unknown; confidence?: unknown };
    if (typeof transcript !== 'string') return [];
    return [{ transcript, confidence: typeof confidence === 'number' ? confidence : 1 }];
  });
}

/** A token is a customer's text; a line break in it would be another header. */
function headerSafe(token: string): string {
  return token.replace(/[^\x21-\x7e]/g, '');
}

function opened(socket: WebSocket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    // Stays: an error after the opening is followed by 'close'.
    socket.on('error', reject);
    socket.once('unexpected-response', (request, response) => {
      request.destroy();
      reject(new Error(`the server answers ${response.statusCode}`));
    });
  });
}
