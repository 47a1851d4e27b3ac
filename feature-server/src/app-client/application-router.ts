import type { Journal } from '../session/journal.js';
import type {
  Application,
  ApplicationCommand,
  ApplicationEnd,
  Hook,
  HookReply,
  HookType,
  NoticeType,
} from './application.js';
import { isHttpUrl, isSocketHook, toSocketUrl } from './hook-url.js';

/** Makes the client of an application that is reached by a hook; relative URLs are resolved against `base`. */
export interface ApplicationClients {
  overHttp(hook: Hook, base: string): Application;
  overSocket(hook: Hook, base: string): Application;
  /** The application of another leg of the call. */
  of(leg: { hook: Hook; callSid: string; journal: Journal }): ApplicationRouter;
}

/**
 * A call's application, which may change its transport: hooks are asked where their URLs lead, and `redirect` moves the whole
 * session there (compat 2.2, 3.6).
 */
export class ApplicationRouter implements Application {
  #main: Application;
  #isSocket: boolean;
  /** Where the main application is. */
  #hook: Hook;
  /** A WebSocket that only hears of the call's status, of an application whose verbs come from elsewhere. */
  #statusSocket: { url: string; application: Application; begun?: Promise<unknown> } | undefined;
  #isOver = false;
  #onCommand: (command: ApplicationCommand) => void = () => {};
  #onEnd: (end: ApplicationEnd) => void = () => {};

  /** @param hook where the application is; its URL may be empty where every hook has an absolute one */
  constructor(
    hook: Hook,
    private readonly clients: ApplicationClients,
  ) {
    this.#isSocket = isSocketHook(hook);
    this.#hook = hook;
    this.#main = this.#make(hook, this.#isSocket, '');
  }

  get baseUrl(): string {
    return this.#main.baseUrl;
  }

  get hook(): Hook {
    return { ...this.#hook, url: this.baseUrl };
  }

  get opening(): object | undefined {
    return this.#main.opening;
  }

  resume(): void {
    this.#main.resume?.();
  }

  rebase(url: string): void {
    this.#main.rebase(url);
  }

  get staysOpen(): boolean {
    return this.#main.staysOpen;
  }

  async request(type: HookType, hook: Hook, payload: object, signal?: AbortSignal): Promise<HookReply> {
    if (this.#isOfMain(hook, type)) return this.#main.request(type, hook, payload, signal);
    const isSocket = isSocketHook(hook);
    const other = this.#make(hook, isSocket, this.baseUrl);
    // A server that hears of the call for the first time is told so; it may be asked about any of its hooks.
    const firstType = isSocket ? 'session:new' : type;
    let isKept = false;
    try {
      const reply = await other.request(firstType, hook, payload, signal);
      // A first request is a redirect too: that to the fallback of an application that failed.
      isKept = (type === 'session:redirect' || type === 'session:new') && !this.#isOver;
      if (isKept) this.#moveTo(other, isSocket, hook);
      // It may have answered without verbs, to send commands later. A first request without verbs has failed: the next fallback is asked.
      if (isKept && type === 'session:redirect') other.begin?.();
      return reply;
    } finally {
      if (!isKept) other.close();
    }
  }

  async notify(hook: Hook | undefined, payload: object): Promise<void> {
    const elsewhere = hook && !this.#isOfMain(hook) ? hook : undefined;
    const told: Promise<unknown>[] = [];
    if (this.#isSocket || !elsewhere) told.push(this.#main.notify(this.#isSocket ? undefined : hook, payload));
    if (elsewhere) told.push(this.#notifyElsewhere(elsewhere, payload));
    await Promise.all(told);
  }

  send(type: NoticeType, data: object): void {
    this.#main.send(type, data);
  }

  onCommand(listener: (command: ApplicationCommand) => void): void {
    this.#onCommand = listener;
  }

  onEnd(listener: (end: ApplicationEnd) => void): void {
    this.#onEnd = listener;
  }

  /** The application of a leg that goes on by itself: over a socket of its own, whose path ends with `/adulting`, or over HTTP as before. */
  adult(leg: { callSid: string; journal: Journal }): ApplicationRouter {
    const { url } = this.#hook;
    const hook = this.#isSocket ? { ...this.#hook, url: adultingUrl(url) } : this.#hook;
    const application = this.clients.of({ ...leg, hook });
    if (!this.#isSocket) application.rebase(this.baseUrl);
    return application;
  }

  close(): void {
    this.#isOver = true;
    this.#main.close();
    this.#statusSocket?.application.close();
    this.#statusSocket = undefined;
  }

  async #notifyElsewhere(hook: Hook, payload: object): Promise<void> {
    if (!isSocketHook(hook)) {
      const other = this.#make(hook, false, this.baseUrl);
      await other.notify(hook, payload).finally(() => other.close());
      return;
    }
    if (this.#isOver) return;
    if (this.#statusSocket?.url !== hook.url) {
      this.#statusSocket?.application.close();
      const application = this.clients.overSocket(hook, this.baseUrl);
      this.#statusSocket = { url: hook.url, application };
    }
    const { application, begun } = this.#statusSocket;
    if (begun) {
      await begun;
      await application.notify(undefined, payload);
      return;
    }
    // What it answers to that is nothing to run: the verbs are somebody else's. A failure is reported by the client.
    const first = application.request('session:new', hook, payload).catch(() => undefined);
    this.#statusSocket.begun = first;
    await first;
  }

  /** Whether a hook is asked of the main application: by a relative URL, or over the transport that it has. */
  #isOfMain(hook: Hook, type: HookType = 'verb:hook'): boolean {
    if (!this.#isSocket) return !isSocketHook(hook);
    if (isHttpUrl(hook.url) && hook.method !== 'WS') return false;
    if (!/^[a-z][a-z0-9+.-]*:/i.test(hook.url)) return true;
    // A session that begins, or moves, goes exactly where it is sent; other hooks of one server share its connection.
    const isMove = type === 'session:new' || type === 'session:redirect';
    return isMove ? placeOf(hook.url) === placeOf(this.#hook.url) : originOf(hook.url) === originOf(this.#hook.url);
  }

  #make(hook: Hook, isSocket: boolean, base: string): Application {
    const application = isSocket ? this.clients.overSocket(hook, base) : this.clients.overHttp(hook, base);
    application.onCommand((command) => {
      if (application === this.#main) this.#onCommand(command);
    });
    application.onEnd((end) => {
      if (application === this.#main) this.#onEnd(end);
    });
    return application;
  }

  #moveTo(application: Application, isSocket: boolean, hook: Hook): void {
    const old = this.#main;
    this.#main = application;
    this.#isSocket = isSocket;
    this.#hook = hook;
    old.close();
  }
}

function adultingUrl(url: string): string {
  if (!URL.canParse(url)) return url;
  const absolute = new URL(url);
  absolute.pathname = `${absolute.pathname.replace(/\/$/, '')}/adulting`;
  return absolute.href;
}

/** A URL without its fragment. */
const placeOf = (url: string): string => {
  const socketUrl = toSocketUrl(url);
  return URL.canParse(socketUrl) ? new URL(socketUrl).href.replace(/#.*$/, '') : url;
};

/** Of ws and http URLs alike, so that one server has one origin. */
function originOf(url: string): string {
  const socketUrl = toSocketUrl(url);
  if (!URL.canParse(socketUrl)) return '';
  const { protocol, host } = new URL(socketUrl);
  return `${protocol}//${host}`;
}
