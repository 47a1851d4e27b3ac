import { setTimeout as sleep } from 'node:timers/promises';
import { maskText, signPayload } from '@ringwire/common';
import { HookConnectionError, HookStatusError, HookTimeoutError } from '../errors.js';
import type { Journal } from '../session/journal.js';
import type { Application, Hook, HookReply, HookType } from './application.js';
import { isWorthAnotherTry, reportHookFailure } from './hook-failure.js';
import { type HookTarget, resolveHookUrl, shownHookUrl } from './hook-url.js';
import type { ExchangeRequest, ExchangeResult, HttpClient } from './http-exchange.js';
import { showBody, showPayload, toWire } from './payload.js';
import { readVerbs } from './read-verbs.js';

/** Statuses that count as an answer (jambonz); everything else is a failure, redirects too. */
const SUCCESS = new Set([200, 202, 204]);

/** Who the application is and what it shares with us. */
export interface HttpApplicationOptions {
  client: HttpClient;
  journal: Journal;
  /** The application's call hook: base of relative URLs, and the credentials of hooks that bring none. */
  callHook: Hook;
  /** Signs every request (`Jambonz-Signature`); without it requests go out unsigned. */
  webhookSecret?: string;
  /** 32 hexadecimal digits; goes out in the `b3` header. */
  traceId: string;
  /** @defaultValue jambonz */
  userAgent?: string;
  /** Called once per finished exchange, for metrics. */
  onExchange?: (type: HookType, outcome: string, ms: number) => void;
}

/** A customer application behind HTTP webhooks (jambonz's webhook contract). */
export class HttpApplication implements Application {
  #baseUrl: string;
  #credentials: Pick<Hook, 'username' | 'password'>;

  constructor(private readonly options: HttpApplicationOptions) {
    this.#baseUrl = options.callHook.url;
    this.#credentials = pickCredentials(options.callHook);
  }

  get baseUrl(): string {
    return this.#baseUrl;
  }

  rebase(url: string): void {
    if (/^https?:\/\//i.test(url) && URL.canParse(url)) this.#baseUrl = url;
  }

  async request(type: HookType, hook: Hook, payload: object, signal?: AbortSignal): Promise<HookReply> {
    const { timeline } = this.options.journal;
    const url = shownHookUrl(hook.url, this.#baseUrl);
    try {
      const answer = await this.#ask(type, hook, payload, signal);
      const reply = readVerbs(answer);
      // Of the first answer the session itself tells: there, nothing to run is an error.
      if (reply.kind === 'nothing' && !reply.isMeant && type !== 'session:new') {
        timeline.warn('hook', `answer of ${maskText(url)} holds no verbs: ${reply.because}`);
      }
      return reply;
    } catch (error) {
      if (!signal?.aborted) reportHookFailure(this.options.journal, type, url, error);
      throw error;
    }
  }

  async notify(hook: Hook | undefined, payload: object): Promise<void> {
    if (!hook) return;
    const url = shownHookUrl(hook.url, this.#baseUrl);
    try {
      await this.#ask('call:status', hook, payload);
    } catch (error) {
      reportHookFailure(this.options.journal, 'call:status', url, error);
    }
  }

  /** There is no way to say something unasked over HTTP. */
  send(): void {}

  onCommand(): void {}

  onEnd(): void {}

  readonly staysOpen = false;

  close(): void {
    // Connections belong to the process's HttpClient and are shared by calls: nothing is this call's own.
  }

  async #ask(type: HookType, hook: Hook, payload: object, signal?: AbortSignal): Promise<ExchangeResult> {
    const { url, retry } = resolveHookUrl(hook.url, this.#baseUrl);
    const wire = toWire(payload);
    const request = this.#prepare(hook, { url, retry }, JSON.stringify(wire), signal);
    const { timeline, log } = this.options.journal;
    const where = `${request.method} ${maskText(url.href)}`;
    timeline.info('hook', `${where} (${type})`, { type, request: showPayload(wire) });
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(type, request, where);
      if (!isWorthAnotherTry(outcome, retry) || attempt >= retry.retries || signal?.aborted) {
        if (outcome instanceof Error) throw outcome;
        return outcome;
      }
      const delayMs = retry.delayMs(attempt);
      const facts = outcome instanceof HookStatusError ? outcome.facts : {};
      timeline.warn('hook', `${where} failed (${outcome.message}), again in ${delayMs} ms`, {
        attempt: attempt + 1,
        ...facts,
      });
      log.info({ url: maskText(url.href), attempt: attempt + 1, delayMs, err: outcome }, 'webhook is tried again');
      await sleep(delayMs, undefined, signal ? { signal } : {});
    }
  }

  /** One exchange; failures come back as values so that the retry loop can look at them. */
  async #attempt(type: HookType, request: ExchangeRequest, where: string): Promise<ExchangeResult | Error> {
    const startedAt = performance.now();
    const { journal, onExchange } = this.options;
    try {
      const answer = await this.options.client.exchange(request);
      const ms = Math.round(performance.now() - startedAt);
      onExchange?.(type, String(answer.status), ms);
      journal.log.debug({ where, status: answer.status, durMs: ms }, 'webhook answered');
      if (!SUCCESS.has(answer.status)) {
        // Told once, with the retry or the failure that comes of it.
        const { status } = answer;
        return new HookStatusError(status, { where, status, ms, answer: showBody(answer.body) });
      }
      journal.timeline.info('hook', `${answer.status} from ${where} in ${ms} ms`, {
        status: answer.status,
        ms,
        contentType: answer.contentType,
        ...(answer.body.length > 0 && { response: showBody(answer.body) }),
      });
      return answer;
    } catch (error) {
      onExchange?.(type, error instanceof HookTimeoutError ? 'timeout' : 'error', performance.now() - startedAt);
      return error instanceof Error ? error : new HookConnectionError(String(error));
    }
  }

  #prepare(hook: Hook, target: HookTarget, body: string, signal?: AbortSignal): ExchangeRequest {
    const { options } = this;
    const method = hook.method === 'GET' ? 'GET' : 'POST';
    const headers: Record<string, string> = {
      'User-Agent': options.userAgent ?? 'jambonz',
      Accept: 'application/json',
      ...(options.webhookSecret !== undefined && { 'Jambonz-Signature': signPayload(options.webhookSecret, body) }),
      b3: `${options.traceId}-${options.traceId.slice(0, 16)}-1`,
    };
    const { username, password } = hook.username === undefined ? this.#credentials : hook;
    if (username !== undefined) {
      headers.Authorization = `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
    }
    if (method === 'POST') {
      headers['Content-Type'] = 'application/json';
      headers['Content-Length'] = String(Buffer.byteLength(body));
    }
    return {
      url: target.url,
      method,
      headers,
      ...(method === 'POST' && { body }),
      ...(signal && { signal }),
    };
  }
}

function pickCredentials(hook: Hook): Pick<Hook, 'username' | 'password'> {
  return hook.username === undefined ? {} : { username: hook.username, password: hook.password ?? '' };
}
