import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tone, writeWav } from '@ringwire/rtp';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';

const CHROMIUM = '/usr/bin/chromium';
/** Why a test that needs a browser is skipped here; false where there is one, and where no test may be skipped (`TEST_NO_SKIP`). */
export const noBrowser: string | false =
  existsSync(CHROMIUM) || process.env.TEST_NO_SKIP
    ? false
    : `needs ${CHROMIUM}: apt-get install --no-install-recommends chromium`;

/** The telephones that there are for a page, by library. */
const SOURCES = {
  jssip: fileURLToPath(new URL('../../softphone/softphone.js', import.meta.url)),
  sipjs: fileURLToPath(new URL('../../softphone/sipjs-softphone.js', import.meta.url)),
};
/** The voice of a fake microphone: a file that begins again at its end. */
const VOICE = { rateHz: 48_000, ms: 20_000, levelDb: -10 };
const WAIT_MS = 30_000;

/** Something that happened to the telephone in the page. */
export interface PhoneEvent {
  type: string;
  /** Ms since the epoch. */
  at: number;
  status?: number;
  cause?: string;
  originator?: string;
  [fact: string]: unknown;
}

/** What goes through the page's peer connection. */
export interface BrowserMedia {
  /** MIME type of the codec, such as `audio/opus`. */
  sent?: string;
  received?: string;
  packetsSent: number;
  packetsReceived: number;
  lost: number;
  jitterMs: number;
  roundTripMs?: number;
}

/** Who the telephone is. */
export interface BrowserAccount {
  /** `ws:` or `wss:` URL. */
  server: string;
  uri: string;
  /** Registers with it; without one it only connects. */
  password?: string;
  realm?: string;
}

/** A telephone in a headless browser: JsSIP (or SIP.js) and Chromium's own WebRTC, with a tone for a voice. */
export class BrowserPhone {
  #since = 0;

  constructor(
    readonly page: Page,
    private readonly url: string,
  ) {}

  /** Throws the telephone away, without a farewell, and takes a new one of this library. */
  async change(library: keyof typeof SOURCES): Promise<void> {
    this.#since = 0;
    await this.page.goto(`${this.url}${library}`);
  }

  /** Forgets what happened so far: {@link event} waits for what comes from now on. */
  async next(): Promise<void> {
    this.#since = await this.page.evaluate('softphone.events.length');
  }

  async connect(account: BrowserAccount): Promise<PhoneEvent> {
    return this.#ask('connect', account);
  }

  /** Calls; does not wait for an answer. */
  async call(target: string, options: Record<string, unknown> = {}): Promise<void> {
    await this.next();
    await this.#ask('call', target, options);
  }

  /** Waits for the first event of a type since the last call or {@link next}. */
  event(type: string, timeoutMs = WAIT_MS): Promise<PhoneEvent> {
    return this.#ask('eventOf', type, this.#since, timeoutMs);
  }

  /** How the call ended: `ended`, or `failed` where it was not answered. */
  outcome(timeoutMs = WAIT_MS): Promise<PhoneEvent> {
    return this.#ask('outcome', this.#since, timeoutMs);
  }

  answer = (): Promise<void> => this.#ask('answer');
  hangup = (): Promise<void> => this.#ask('hangup');
  hold = (): Promise<void> => this.#ask('hold');
  unhold = (): Promise<void> => this.#ask('unhold');
  /** A re-INVITE; `{ rtcOfferConstraints: { iceRestart: true } }` restarts ICE. */
  renegotiate = (options: Record<string, unknown> = {}): Promise<void> => this.#ask('renegotiate', options);
  /** Blind transfer; resolves when it was refused, or the other end has told how it went. */
  refer = (target: string): Promise<{ result: 'accepted' | 'failed' | 'refused'; status?: unknown }> =>
    this.#ask('refer', target);
  /** Puts the call aside for the next one. JsSIP only. */
  consult = (): Promise<void> => this.#ask('consult');
  /** Attended transfer: connects who is in the call with who is in the one that was put aside; resolves as {@link refer}. JsSIP only. */
  join = (): ReturnType<BrowserPhone['refer']> => this.#ask('join');
  sendDtmf = (tones: string, transport: 'RFC2833' | 'INFO'): Promise<void> => this.#ask('sendDtmf', tones, transport);
  /** Waits until this tone is the loudest that is heard. */
  hears = (hz: number, timeoutMs = WAIT_MS): Promise<{ hz: number; db: number }> => this.#ask('hears', hz, timeoutMs);
  hearsNothing = (timeoutMs = WAIT_MS): Promise<unknown> => this.#ask('hearsNothing', timeoutMs);
  media = (): Promise<BrowserMedia> => this.#ask('media');
  sdp = (): Promise<{ local: string; remote: string }> => this.#ask('sdp');
  events = (): Promise<PhoneEvent[]> => this.page.evaluate('softphone.events');

  #ask<T>(method: string, ...args: unknown[]): Promise<T> {
    // As text, because what runs in the page knows nothing of this file.
    const list = args.map((arg) => JSON.stringify(arg) ?? 'undefined').join(', ');
    return this.page.evaluate(`softphone.${method}(${list})`);
  }
}

/**
 * Starts a Chromium of its own with a telephone whose fake microphone says a tone.
 * @param options spki: base64 SHA-256 of the public key of a server that is believed although nobody vouches for it
 */
export async function openBrowserPhone(t: Test, options: { voiceHz: number; spki?: string }): Promise<BrowserPhone> {
  const folder = await mkdtemp(join(tmpdir(), 'ringwire-browser-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const voice = join(folder, 'voice.wav');
  await writeFile(voice, writeWav(tone(options.voiceHz, VOICE.ms, VOICE.levelDb, VOICE.rateHz), VOICE.rateHz));
  const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: CHROMIUM,
    headless: true,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'],
      `--use-file-for-fake-audio-capture=${voice}`,
      ...['--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection'],
      ...(options.spki === undefined ? [] : [`--ignore-certificate-errors-spki-list=${options.spki}`]),
    ],
  });
  t.teardown(() => context.close());
  const page = await context.newPage();
  const phone = new BrowserPhone(page, await servePages(t));
  await phone.change('jssip');
  return phone;
}

/** Serves the pages with the telephones on a free port of localhost, which browsers take for secure: each by the name of its library. */
async function servePages(t: Test): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: SOURCES,
    outdir: '/',
    bundle: true,
    write: false,
    format: 'iife',
    define: { global: 'window' },
    logLevel: 'error',
  });
  const scripts = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const script = scripts.get(path);
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(script ?? `<!doctype html><title>softphone</title><script src="${path}.js"></script>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${(server.address() as AddressInfo).port}/`;
}
