import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { maskText } from '@ringwire/common';
import { HookConnectionError, HookStatusError, InvalidApplicationError } from '../errors.js';
import type {
  Application,
  ApplicationCommand,
  ApplicationEnd,
  Hook,
  HookReply,
  HookType,
  NoticeType,
} from './application.js';
import { FLOOD_REASON, FloodGuard } from './flood-guard.js';
import { isWorthAnotherTry, reportHookFailure } from './hook-failure.js';
import { type HookTarget, resolveSocketUrl, socketDelayMs } from './hook-url.js';
import { showBody, showPayload } from './payload.js';
import { readAck } from './read-verbs.js';
import { openSocket, type SocketConnection, type SocketEnd } from './socket-connection.js';
import { type OutgoingType, readMessage, wantsAck, writeMessage } from './socket-messages.js';
import { type WaitingMessage, WaitingMessages } from './waiting-messages.js';
import type { WebSocketApplicationOptions } from './ws-application-options.js';

/** Attempts in a row that fail before an application that has a fallback is given up (about 14 s). */
const GIVE_UP_ATTEMPTS = 5;
/** Where a conversation stands. */
type State =
  /** Nothing was said yet. */
  | 'idle'
  | 'connecting'
  | 'open'
  /** The connection was lost; a new one is sought, or is not acknowledged yet. */
  | 'reconnecting'
  /** The application said goodbye. */
  | 'closed'
  | 'lost'
  /** We said goodbye. */
  | 'over';

const NOTHING: HookReply = { kind: 'nothing', because: 'the answer is empty', isMeant: true, status: 200 };

/** A customer application behind a WebSocket (jambonz's subprotocol `ws.jambonz.org`). */
export class WebSocketApplication implements Application {
  #state: State = 'idle';
  #connection: SocketConnection | undefined;
  #connections = 0;
  /** What the session began with, told again to a server that lost its connection. */
  #opening: object | undefined;
  /** The application has acknowledged that, or did so to another process: its end is of interest. */
  #isBegun = false;
  readonly #waiting: WaitingMessages;
  #goodbye: { code: number; reason: string } = { code: 1000, reason: 'the call is over' };
  readonly #over = new AbortController();
  readonly #flood = new FloodGuard((details) => {
    const { journal, hook } = this.options;
    journal.timeline.error('hook', details);
    journal.alert('invalid-app-payload', `${maskText(hook.url)} sends too many messages`, details);
    this.send('jambonz:error', { msg: 'TooManyMessages', details });
  });
  #onCommand: (command: ApplicationCommand) => void = () => {};
  #onEnd: (end: ApplicationEnd) => void = () => {};

  constructor(private readonly options: WebSocketApplicationOptions) {
    this.#opening = options.opening;
    this.#isBegun = options.opening !== undefined;
    const { holdMs, ackTimeoutMs } = options.limits;
    this.#waiting = new WaitingMessages({
      ...{ holdMs, ackTimeoutMs },
      onTimeout: (message) => this.#observe(message, 'timeout'),
    });
  }

  get #isOver(): boolean {
    return this.#state === 'over';
  }

  get baseUrl(): string {
    return this.options.hook.url;
  }

  get opening(): object | undefined {
    return this.#opening;
  }

  /** Relative hooks are the application's own names: they go out as they are. */
  rebase(): void {}

  get staysOpen(): boolean {
    return this.#state !== 'closed' && this.#state !== 'lost' && this.#state !== 'over';
  }

  begin(): void {
    this.#isBegun = true;
  }

  resume(): void {
    if (this.#state !== 'idle' || this.#opening === undefined) return;
    void this.#connect().then(() => {
      if (this.#state === 'idle') void this.#reconnect('it was not reached from where the call is now');
    });
  }

  onCommand(listener: (command: ApplicationCommand) => void): void {
    this.#onCommand = listener;
  }

  onEnd(listener: (end: ApplicationEnd) => void): void {
    this.#onEnd = listener;
  }

  async request(type: HookType, hook: Hook, payload: object, signal?: AbortSignal): Promise<HookReply> {
    if (this.#state === 'closed' || this.#state === 'over') return NOTHING;
    try {
      return await this.#say(type, hook.url, payload, signal);
    } catch (error) {
      if (type === 'session:new') this.#refuse(error);
      if (!signal?.aborted && !this.#isOver) {
        reportHookFailure(this.options.journal, type, this.#shown(hook.url), error);
        if (error instanceof InvalidApplicationError) this.#complain(type, error);
      }
      throw error;
    }
  }

  /** Hooks are names that the application gives itself: whose they are is told with them. */
  #shown(hook: string): string {
    const { url } = this.options.hook;
    return hook && hook !== url ? `${hook} of ${url}` : url;
  }

  async notify(_hook: Hook | undefined, payload: object): Promise<void> {
    if (!this.staysOpen) return;
    try {
      await this.#say('call:status', undefined, payload);
    } catch (error) {
      if (this.staysOpen) reportHookFailure(this.options.journal, 'call:status', this.options.hook.url, error);
    }
  }

  send(type: NoticeType, data: object): void {
    if (!this.staysOpen || this.#state === 'idle') return;
    this.#say(type, undefined, data).catch((err: unknown) => {
      this.options.journal.log.debug({ err, type }, 'notice was not sent');
    });
  }

  close(): void {
    if (this.#state === 'over') return;
    const hadEnded = !this.staysOpen;
    this.#state = 'over';
    this.#fail(new HookConnectionError('the conversation with the application is over'));
    if (hadEnded) return;
    const { code, reason } = this.#goodbye;
    this.#connection?.close(code, reason);
  }

  /** Puts a message on its way, and waits for the answer where one is wanted. */
  async #say(
    type: HookType | NoticeType,
    hook: string | undefined,
    payload: object,
    signal?: AbortSignal,
  ): Promise<HookReply> {
    const { callSid, traceId, journal } = this.options;
    if (this.#state === 'lost') throw new HookConnectionError('the application is lost');
    signal?.throwIfAborted();
    const msgid = randomUUID();
    const b3 = b3Of(traceId);
    const { text, data } = writeMessage({ type, msgid, callSid, ...(hook !== undefined && { hook }), payload, b3 });
    const isLoud = !type.startsWith('tts:') && type !== 'verb:status';
    if (isLoud) {
      const request = showPayload(data);
      journal.timeline.info('hook', `message ${type}${hook ? ` ${maskText(hook)}` : ''}`, { type, msgid, request });
    }
    const { refusal } = this.#waiting;
    if (refusal) throw refusal;
    let onAbort = (): void => {};
    try {
      return await new Promise<HookReply>((resolve, reject) => {
        const message: WaitingMessage = {
          ...{ type, text, msgid, startedAt: performance.now(), wantsAck: isRequest(type) && wantsAck(type) },
          ...(isOpening(type) && { opening: payload }),
          ...{ resolve, reject },
        };
        onAbort = () => this.#waiting.settle(message)?.reject(signal?.reason as Error);
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#put(message);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #put(message: WaitingMessage): void {
    if (this.#state === 'open') {
      this.#transmit(message);
      return;
    }
    this.#waiting.hold(message, { briefly: this.#state === 'reconnecting' });
    if (this.#state === 'idle') void this.#connect();
  }

  #transmit(message: WaitingMessage): void {
    if (!this.#connection?.send(message.text)) {
      // The end of the connection follows, or came; the message is for the next one.
      if (this.staysOpen && message.type !== 'session:reconnect') this.#waiting.hold(message, { briefly: true });
      else message.reject(new HookConnectionError('the connection ended'));
      return;
    }
    this.#opening = message.opening ?? this.#opening;
    if (message.wantsAck) this.#waiting.expectAck(message);
    else message.resolve(NOTHING);
  }

  /** The first connection of the conversation, with its retries. */
  async #connect(): Promise<void> {
    this.#state = 'connecting';
    const { journal } = this.options;
    try {
      const target = this.#target();
      for (let attempt = 0; ; attempt++) {
        try {
          await this.#openConnection(target);
          break;
        } catch (error) {
          if (!isWorthAnotherTry(error, target.retry) || attempt >= target.retry.retries) throw error;
          const delayMs = target.retry.delayMs(attempt);
          const url = maskText(target.url.href);
          journal.timeline.warn('hook', `${url} failed (${error.message}), again in ${delayMs} ms`, {
            attempt: attempt + 1,
          });
          await sleep(delayMs, undefined, { signal: this.#over.signal });
        }
      }
      // Whoever does not answer to that may still listen.
      if (this.#opening !== undefined) await this.#resume().catch(() => NOTHING);
      if (this.#state === 'connecting') this.#open();
    } catch (error) {
      if (this.#state !== 'connecting') return;
      // What is said next may find the server there again.
      this.#state = 'idle';
      this.#rejectAll(asError(error));
    }
  }

  #target(): HookTarget {
    return resolveSocketUrl(this.options.hook.url, this.options.base ?? '');
  }

  async #openConnection({ url }: HookTarget): Promise<void> {
    const { guard, limits, hook, journal } = this.options;
    const startedAt = performance.now();
    const connection = await openSocket(
      {
        url,
        signal: this.#over.signal,
        ...(hook.username !== undefined && { username: hook.username, password: hook.password ?? '' }),
      },
      guard,
      limits,
    );
    if (this.#state === 'over') {
      connection.close(1000, 'the call is over');
      throw new HookConnectionError('the call is over');
    }
    const ms = Math.round(performance.now() - startedAt);
    journal.timeline.info('hook', `connected to ${maskText(url.href)} in ${ms} ms`, { ms });
    this.#connection = connection;
    this.#connections += 1;
  }

  /** Listens, and sends what waits. */
  #open(): void {
    this.#state = 'open';
    if (this.#connection) this.#listen();
    else void this.#reconnect('it ended at once');
    this.#sendHeld();
  }

  #sendHeld(): void {
    for (const message of this.#waiting.takeHeld()) this.#transmit(message);
  }

  #listen(): void {
    const connection = this.#connection;
    connection?.listen({
      message: (text) => this.#onMessage(text),
      end: (end) => this.#onConnectionEnd(end),
    });
  }

  #onConnectionEnd(end: SocketEnd): void {
    this.#connection = undefined;
    if (!this.staysOpen) return;
    if (end.isViolation) {
      this.#lose(end.reason, new InvalidApplicationError(end.reason));
      return;
    }
    if (end.code === 1000) this.#onGoodbye();
    // While one is sought already, this is an attempt of it that failed.
    else if (this.#state !== 'open')
      for (const message of this.#waiting.takeSent()) message.reject(lostBefore(end.reason));
    else void this.#reconnect(end.reason);
  }

  /** The application has closed by itself: it is told nothing more, and asked nothing. */
  #onGoodbye(): void {
    this.options.journal.timeline.info('hook', 'the application closed the connection: it is told nothing more');
    const isBegun = this.#isBegun;
    this.#end('closed');
    for (const message of [...this.#waiting.takeHeld(), ...this.#waiting.takeSent()]) {
      if (!message.opening) message.resolve(NOTHING);
      else message.reject(new HookConnectionError('the application closed the connection before it answered'));
    }
    if (isBegun) this.#onEnd({ how: 'closed' });
  }

  async #reconnect(reason: string): Promise<void> {
    this.#state = 'reconnecting';
    this.options.journal.timeline.warn('hook', `the connection to the application is lost: ${reason}`);
    // The reconnection takes over the answer to the session's first message (compat 3.6); other answers will not come.
    const unanswered = this.#waiting.takeSent();
    const first = unanswered.find(({ opening }) => opening);
    for (const message of unanswered) if (message !== first) message.reject(lostBefore(reason));
    this.#waiting.limitHeld();
    try {
      const reply = await this.#seek(reason, first !== undefined);
      if (this.#state !== 'reconnecting') throw new HookConnectionError('the application closed the connection');
      this.#state = 'open';
      this.options.journal.timeline.info('hook', 'the application is connected again');
      if (first) this.#isBegun = true;
      first?.resolve(reply);
      this.#sendHeld();
    } catch (error) {
      first?.reject(asError(error));
      if (this.#state === 'reconnecting') this.#lose(asError(error).message);
    }
  }

  /** Connects again, as often as it takes. @returns the answer to `session:reconnect`. @throws when the application is to be given up */
  async #seek(reason: string, wantsVerbs: boolean): Promise<HookReply> {
    const { journal, hasFallback = false } = this.options;
    const target = this.#target();
    const { signal } = this.#over;
    for (let attempt = 0; ; attempt++) {
      if (this.#connections > target.retry.retries) {
        throw new HookConnectionError(`the connection was lost ${this.#connections} times: ${reason}`);
      }
      if (attempt >= GIVE_UP_ATTEMPTS && hasFallback) {
        throw new HookConnectionError(`${GIVE_UP_ATTEMPTS} attempts to connect again failed`);
      }
      await sleep(socketDelayMs(attempt), undefined, { signal });
      try {
        await this.#openConnection(target);
        return await this.#resume();
      } catch (error) {
        // Verbs that nobody waits for need not be any.
        if (error instanceof InvalidApplicationError && !wantsVerbs) return NOTHING;
        // Who is there and does not answer, or not with verbs, is not asked a second time.
        if (
          this.#state !== 'reconnecting' ||
          !(error instanceof HookConnectionError || error instanceof HookStatusError)
        )
          throw error;
        journal.timeline.warn('hook', `the application was not reached again: ${error.message}`, {
          attempt: attempt + 1,
        });
      }
    }
  }

  /** Says on a new connection which call it is about; everything else waits until the application has acknowledged that. */
  #resume(): Promise<HookReply> {
    this.#listen();
    if (this.#opening === undefined) return Promise.resolve(NOTHING);
    const { callSid, traceId, journal } = this.options;
    const type = 'session:reconnect';
    const msgid = randomUUID();
    const b3 = b3Of(traceId);
    const { text } = writeMessage({ type, msgid, callSid, payload: this.#opening, b3 });
    journal.timeline.info('hook', `message ${type}`, { type, msgid });
    return new Promise((resolve, reject) => {
      this.#transmit({ type, text, msgid, startedAt: performance.now(), wantsAck: true, resolve, reject });
    });
  }

  /** The application cannot be had any more. */
  #lose(reason: string, error: Error = new HookConnectionError(reason)): void {
    const { journal } = this.options;
    const url = maskText(this.options.hook.url);
    const isBegun = this.#isBegun;
    this.#end('lost');
    journal.timeline.error('hook', `${url}: the application is lost: ${reason}`);
    if (error instanceof InvalidApplicationError) journal.alert('invalid-app-payload', `${url}: ${reason}`);
    else journal.alert('webhook-connection-failure', `${url}: ${reason}`);
    this.#connection?.close(1008, reason);
    this.#connection = undefined;
    this.#fail(error);
    // Before, the first request is what fails.
    if (isBegun) this.#onEnd({ how: 'lost', reason });
  }

  #end(state: 'closed' | 'lost'): void {
    this.#state = state;
    this.#flood.close();
  }

  /** Nobody gets an answer any more. */
  #fail(error: Error): void {
    this.#flood.close();
    this.#over.abort(error);
    this.#rejectAll(error);
  }

  #rejectAll(error: Error): void {
    for (const message of [...this.#waiting.takeHeld(), ...this.#waiting.takeSent()]) message.reject(error);
  }

  #onMessage(text: string): void {
    const message = readMessage(text);
    if (message.kind === 'ack') {
      const waiting = this.#waiting.sent(message.msgid);
      // Answers are as many as questions: they are no flood.
      if (waiting) {
        this.#onAck(waiting, message.data, text);
        return;
      }
    }
    const verdict = this.#flood.judge(message, text.length);
    if (verdict === 'cut off') this.#connection?.violated(1008, FLOOD_REASON);
    if (verdict !== 'taken') return;
    const { journal, hook } = this.options;
    if (message.kind === 'ack') {
      journal.log.info({ msgid: message.msgid.slice(0, 100) }, 'ack of no message that waits');
    } else if (message.kind === 'command') {
      this.#onCommand(message.command);
    } else {
      journal.timeline.error('hook', `message of the application: ${message.reason}`, { message: showBody(text) });
      journal.alert('invalid-app-payload', `${maskText(hook.url)} sends what is no message`, message.reason);
      this.send('jambonz:error', { msg: 'InvalidMessage', details: message.reason, content: text.slice(0, 1000) });
    }
  }

  #onAck(waiting: WaitingMessage, data: unknown, text: string): void {
    this.#waiting.settle(waiting);
    const ms = Math.round(performance.now() - waiting.startedAt);
    const { journal } = this.options;
    try {
      const reply = readAck(data, text);
      const facts = {
        msgid: waiting.msgid,
        ms,
        ...(data !== undefined && { response: showBody(JSON.stringify(data)) }),
      };
      journal.timeline.info('hook', `ack of ${waiting.type} in ${ms} ms`, facts);
      this.#observe(waiting, 'ack');
      if (waiting.opening && (reply.kind === 'verbs' || waiting.type !== 'session:new')) this.#isBegun = true;
      waiting.resolve(reply);
    } catch (error) {
      this.#observe(waiting, 'invalid');
      waiting.reject(asError(error));
    }
  }

  #complain(type: HookType, { message, facts }: InvalidApplicationError): void {
    const msg = type === 'verb:hook' ? 'invalid actionHook response' : 'InvalidMessage';
    this.send('jambonz:error', { msg, details: message, content: facts.answer });
  }

  /** The session cannot begin: the application hears of it by the code that ends the connection. */
  #refuse(error: unknown): void {
    if (error instanceof InvalidApplicationError) this.#goodbye = { code: 1001, reason: error.message };
  }

  #observe({ type, startedAt }: WaitingMessage, outcome: string): void {
    if (isRequest(type)) this.options.onExchange?.(type, outcome, performance.now() - startedAt);
  }
}

const NOTICES = new Set<string>([
  'verb:status',
  'tts:tokens-result',
  'tts:streaming-event',
  'jambonz:error',
  'session:reconnect',
]);
const isRequest = (type: OutgoingType): type is HookType => !NOTICES.has(type);
const isOpening = (type: OutgoingType): boolean => type === 'session:new' || type === 'session:adulting';
const lostBefore = (reason: string): Error =>
  new HookConnectionError(`the connection was lost before the answer: ${reason}`);
const b3Of = (traceId: string): string => `${traceId}-${traceId.slice(0, 16)}-1`;
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
