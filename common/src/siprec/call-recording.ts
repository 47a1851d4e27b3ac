import type { AddressGuard } from '../http/address-guard.js';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import type { CallJournal } from '../sip/call-journal.js';
import { SIP_HEADERS } from '../sip/headers.js';
import type { SipDialog, SipHeaders, SipMessageView, SipStack } from '../sip/stack.js';
import { extraHeaders, RecordingSession } from './recording-session.js';
import { findSrs } from './srs-address.js';

/** How an edge's recording servers are called. */
export interface SiprecSettings {
  /** Which addresses may be. */
  guard: Pick<AddressGuard, 'allows' | 'allowsAll'>;
  /** How long each may take to answer. */
  answerMs: number;
}

/** What {@link CallRecording} needs of its call. */
export interface CallRecordingOptions extends SiprecSettings {
  stack: SipStack;
  lost: AbortSignal;
  /** Aborts when the call ends. */
  over: AbortSignal;
  media: Pick<MediaSession, 'subscribe' | 'answerSubscription' | 'unsubscribe'>;
  /** The side with the outside. */
  outer: Side;
  journal: Pick<CallJournal, 'call' | 'timeline' | 'alert'>;
}

/** What became of an order: the status that its sender gets, and why where it was not done. */
export interface OrderResult {
  status: number;
  why?: string;
}

/** `X-Reason` of an INFO by which a feature server records a call, as in jambonz. */
const ORDER = /^(start|stop|pause|resume)CallRecording$/i;
/** Each may keep the sender waiting for its whole time. */
const MAX_SERVERS = 5;
/** Orders under way at once; a feature server that sends more than that has lost its mind. */
const MAX_WAITING = 10;
/** Who gave an order waits 32 s for what became of it, and takes it for not done after that. */
const ORDER_DEADLINE_MS = 25_000;
const DONE: OrderResult = { status: 200 };
/** The alert of it has been raised. */
const ENDED: OrderResult = { status: 503, why: 'the recording server has ended it' };
const TOO_LATE: OrderResult = { status: 503, why: 'a recording server kept the order waiting for too long' };
const NO_TIME = { ok: false, why: 'no time was left for it' } as const;
const wrong = (why: string): OrderResult => ({ status: 400, why });
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether the request is an order for {@link CallRecording.order}. */
export const isRecordingOrder = (request: Pick<SipMessageView, 'get'>): boolean =>
  ORDER.test(request.get(SIP_HEADERS.reason) ?? '');

/**
 * The recording of one call by a recording server outside (SIPREC, RFC 7866): a copy of what both sides send goes there. Whatever happens to it, the call
 * does not notice.
 */
export class CallRecording {
  #session: RecordingSession | undefined;
  /** Orders are done one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isOver = false;

  constructor(private readonly options: CallRecordingOptions) {}

  /** The dialog with the recording server, while there is one. */
  get leg(): SipDialog | undefined {
    return this.#session?.leg;
  }

  /** Does what a feature server asks for. Never rejects. */
  order(request: SipMessageView): Promise<OrderResult> {
    if (this.#waiting >= MAX_WAITING) return Promise.resolve({ status: 503, why: 'too many orders' });
    this.#waiting++;
    const doneBy = performance.now() + ORDER_DEADLINE_MS;
    return this.#inTurn(() => this.#obey(request, doneBy)).finally(() => this.#waiting--);
  }

  /** The call's media has changed: codecs, ports, or who is there. Does nothing where nothing is recorded; never rejects. */
  mediaChanged(): void {
    if (!this.#session || this.#isOver) return;
    void this.#inTurn(async () => {
      const session = this.#session;
      if (!session || this.#isOver) return DONE;
      try {
        await session.renew();
      } catch (error) {
        if (this.#isOver || this.#session !== session) return DONE;
        await this.#drop(session, `the recording was lost when the media changed: ${textOf(error)}`);
      }
      return DONE;
    });
  }

  /** The call has ended: the recording server gets a BYE. Never rejects. */
  async close(headers: SipHeaders = {}): Promise<void> {
    this.#isOver = true;
    const session = this.#session;
    this.#session = undefined;
    await session?.close(headers);
    // One that was being opened finds that the call is over.
    await this.#last;
  }

  #inTurn(work: () => Promise<OrderResult>): Promise<OrderResult> {
    const done = this.#last.then(work).catch((error: unknown) => this.#fail(textOf(error)));
    this.#last = done;
    return done;
  }

  async #obey(request: SipMessageView, doneBy: number): Promise<OrderResult> {
    const [, word] = ORDER.exec(request.get(SIP_HEADERS.reason) ?? '') ?? [];
    if (this.#isOver) return wrong('the call is over');
    if (word?.toLowerCase() === 'start') return this.#start(request, doneBy);
    const session = this.#session;
    if (!session) return wrong('the call is not being recorded');
    const { timeline } = this.options.journal;
    switch (word?.toLowerCase()) {
      case 'stop':
        this.#session = undefined;
        await this.options.media.unsubscribe();
        // A recording server that does not answer its BYE keeps nobody waiting.
        void session.close();
        timeline.info('media', 'SIPREC recording stopped');
        return DONE;
      case 'pause':
        if (session.isPaused) return wrong('the recording is paused already');
        // Nothing is sent any more, whatever the recording server says to it.
        await session.pause().catch((error: unknown) => {
          timeline.warn('media', `recording server was not told that the recording is paused: ${textOf(error)}`);
        });
        if (this.#session !== session) return ENDED;
        timeline.info('media', 'SIPREC recording paused');
        return DONE;
      default:
        if (!session.isPaused) return wrong('the recording is not paused');
        if (performance.now() > doneBy) return TOO_LATE;
        await session.resume().catch((error: unknown) => {
          if (this.#session === session) throw error;
        });
        if (this.#session !== session) return ENDED;
        timeline.info('media', 'SIPREC recording goes on');
        return DONE;
    }
  }

  async #start(request: SipMessageView, doneBy: number): Promise<OrderResult> {
    const { journal, guard, media, answerMs } = this.options;
    if (this.#session) return wrong('the call is being recorded already');
    const urls = (request.get(SIP_HEADERS.srsUrl) ?? '')
      .split(',')
      .map((url) => url.trim().replace(/^<|>$/g, ''))
      .filter(Boolean);
    if (urls.length === 0) return wrong(`${SIP_HEADERS.srsUrl} is missing`);
    if (urls.length > MAX_SERVERS) return wrong(`more than ${MAX_SERVERS} recording servers`);
    const recordingId = request.get(SIP_HEADERS.srsRecordingId);
    const headers = headersOf(request);
    const failures: string[] = [];
    for (const uri of urls) {
      if (this.#isOver) break;
      const hop = performance.now() + answerMs < doneBy ? await findSrs(uri, guard) : NO_TIME;
      const opened = hop.ok ? await this.#open({ uri, proxy: hop.proxy, headers, recordingId }) : hop;
      if (!opened.ok) {
        failures.push(`${uri}: ${opened.why}`);
        journal.timeline.warn('media', `recording server ${uri}: ${opened.why}`);
        continue;
      }
      if (this.#isOver) {
        await opened.session.close();
        break;
      }
      this.#session = opened.session;
      journal.timeline.info('media', `SIPREC recording begins, at ${uri}`, { ...(recordingId && { recordingId }) });
      return DONE;
    }
    await media.unsubscribe();
    return this.#isOver
      ? wrong('the call is over')
      : this.#fail(`no recording server takes it: ${failures.join('; ')}`);
  }

  #open(one: { uri: string; proxy: string | undefined; headers: SipHeaders; recordingId: string | undefined }) {
    const { stack, lost, over, media, outer, journal, guard, answerMs } = this.options;
    const { call } = journal;
    const { uri, proxy, headers, recordingId } = one;
    const { callSid, sipCallId, direction, accountSid, applicationSid, trunk, remoteHost, host, from, to } = call;
    return RecordingSession.open({
      ...{ stack, lost, over, media, outer, uri, proxy, answerMs, headers },
      call: {
        ...{ callSid, sipCallId, direction, accountSid, applicationSid, trunk, remoteHost, host },
        calling: from,
        called: to,
        ...(recordingId === undefined ? {} : { recordingId }),
      },
      allows: (address) => guard.allows(address),
      judgeHop: (hop) => findSrs(hop, guard),
      onEnd: () => this.#ended(),
    });
  }

  #ended(): void {
    if (this.#isOver || !this.#session) return;
    this.#session = undefined;
    void this.options.media.unsubscribe();
    this.#fail('the recording server has ended it');
  }

  async #drop(session: RecordingSession, why: string): Promise<void> {
    this.#session = undefined;
    await this.options.media.unsubscribe();
    void session.close();
    this.#fail(why);
  }

  #fail(why: string): OrderResult {
    const { journal } = this.options;
    journal.alert({ alertType: 'recording-failure', message: `SIPREC recording: ${why}` });
    return { status: 503, why };
  }
}

/** Further headers of the application come as a JSON object. */
function headersOf({ body }: Pick<SipMessageView, 'body'>): SipHeaders {
  if (!body) return {};
  try {
    const wanted: unknown = JSON.parse(body);
    return typeof wanted === 'object' && wanted !== null ? extraHeaders(wanted as Record<string, unknown>) : {};
  } catch {
    // Of a feature server it never is: without them it is recorded all the same.
    return {};
  }
}
