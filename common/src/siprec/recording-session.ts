import { randomInt } from 'node:crypto';
import type { MediaSession, Side } from '../media-relay/media-relay.js';
import { isInternalHeader, oneLine } from '../sip/header-policy.js';
import { hangUp } from '../sip/in-dialog.js';
import { discard, isPending, placeLeg } from '../sip/place-leg.js';
import { respond } from '../sip/respond.js';
import { reinvite } from '../sip/session-changes.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from '../sip/stack.js';
import { judgeAnswer, offerOfCopy, RECORDING_TYPE, recordingBody, type SdpSession, sdpOf } from './recording-body.js';
import { newRecordingIds, type RecordedCall, type RecordingIds, recordingMetadata } from './recording-metadata.js';
import { nextHopOf, type SrsHop } from './srs-address.js';

/** What a recording session is made with. */
export interface RecordingSessionOptions {
  stack: SipStack;
  lost: AbortSignal;
  /** Aborts when the call ends: nobody waits for a recording server then. */
  over: AbortSignal;
  media: Pick<MediaSession, 'subscribe' | 'answerSubscription' | 'unsubscribe'>;
  /** Towards whose network the recording server is. */
  outer: Side;
  /** The SIP URI of the recording server, and the hop that was judged. */
  uri: string;
  proxy?: string | undefined;
  answerMs: number;
  /** Of the application, see {@link extraHeaders}. */
  headers: SipHeaders;
  call: RecordedCall;
  /** Whether the sound may go to an address. */
  allows(address: string): boolean;
  /** Whether requests may go to a SIP URI that the recording server named in its answer. Never rejects. */
  judgeHop(uri: string): Promise<SrsHop>;
  /** The recording server has ended it. */
  onEnd(): void;
}

/** How asking one recording server ended. */
export type Opened = { ok: true; session: RecordingSession } | { ok: false; why: string };

/** What we are (RFC 7866 §6.1.1), where a SIP server of ours puts its own address. */
const CONTACT = '<sip:localhost>;+sip.src';
/** What the INVITE says by itself; names of one letter are short for such (RFC 3261 §20). */
const OWN =
  /^(via|from|to|call-id|cseq|contact|content-\S+|max-forwards|route|record-route|require|proxy-require|supported|accept|mime-version|session-expires|min-se|(proxy-)?authorization|replaces|x-reason|[a-z])$/i;
const MAX_HEADERS = 32;
const MAX_HEADER_CHARACTERS = 1_024;

/** The headers of an application that may stand in the INVITE to a recording server: neither its own nor ours. */
export function extraHeaders(wanted: Readonly<Record<string, unknown>>): SipHeaders {
  const headers: SipHeaders = {};
  for (const [name, value] of Object.entries(wanted).slice(0, MAX_HEADERS)) {
    if (!/^[\w.!%*+`'~-]{1,64}$/.test(name) || OWN.test(name) || isInternalHeader(name)) continue;
    if (!['string', 'number', 'boolean'].includes(typeof value)) continue;
    const line = oneLine(String(value));
    if (line !== null && line.length <= MAX_HEADER_CHARACTERS) headers[name] = line;
  }
  return headers;
}

/** One recording session (RFC 7866) with one recording server, from its answer to its end. */
export class RecordingSession {
  #isOver = false;
  #isPaused = false;
  /** The relay's SDP as it was offered last, and what was answered. */
  #copy: string;
  #answer: string;

  private constructor(
    private readonly options: RecordingSessionOptions,
    private readonly dialog: SipDialog,
    private readonly about: { ids: RecordingIds; startedAt: Date; sdp: SdpSession; copy: string; answer: string },
  ) {
    this.#copy = about.copy;
    this.#answer = about.answer;
    dialog.on('destroy', () => this.#end());
    for (const event of ['modify', 'update'] as const) {
      dialog.on(event, (request, response) => void this.#changed(request, response));
    }
  }

  /** Offers a copy of the call to a recording server, and has it sent there when that answers. Never rejects; what fails leaves nothing but the subscription. */
  static async open(options: RecordingSessionOptions): Promise<Opened> {
    const { stack, lost, over, media, outer, uri, proxy, answerMs, call } = options;
    const ids = newRecordingIds();
    const startedAt = new Date();
    const sdp: SdpSession = { id: randomInt(1, 2 ** 47), version: 1 };
    const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
    try {
      const copy = await media.subscribe(outer);
      const body = recordingBody(offerOfCopy(copy, sdp, false), recordingMetadata(call, ids, startedAt));
      const headers = {
        ...options.headers,
        Contact: CONTACT,
        From: `<sip:${encodeURIComponent(call.calling)}@localhost>`,
        Require: 'siprec',
        'Content-Type': RECORDING_TYPE,
      };
      const target = { name: uri, uri, headers, ...(proxy === undefined ? {} : { proxy }) };
      const placed = await placeLeg(stack, target, body, { answerMs, abandoned: over, lost }, () => {});
      if (!placed.ok) return { ok: false, why: `${placed.failure.status} ${placed.failure.reason}` };
      const { leg } = placed;
      if (isPending(leg) || over.aborted) {
        discard(leg, lost);
        return { ok: false, why: 'the call is over' };
      }
      try {
        const hop = await options.judgeHop(nextHopOf(leg.res));
        if (!hop.ok) throw new Error(`its answer leads elsewhere: ${hop.why}`);
        const answer = usableAnswer(sdpOf(leg.res), copy, options.allows);
        await media.answerSubscription(answer);
        // From here to the listeners of the session nothing can come in between.
        if (!leg.connected) throw new Error('it hung up at once');
        return { ok: true, session: new RecordingSession(options, leg, { ids, startedAt, sdp, copy, answer }) };
      } catch (error) {
        void hangUp(leg, {}, lost);
        await media.unsubscribe();
        return { ok: false, why: textOf(error) };
      }
    } catch (error) {
      return { ok: false, why: textOf(error) };
    }
  }

  /** The dialog with the recording server. */
  get leg(): SipDialog {
    return this.dialog;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Sends nothing from now on, whatever the recording server says to that. @throws what a re-INVITE may */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.options.media.unsubscribe();
    await this.#tell();
  }

  /** Sends again. What fails leaves it paused. @throws what a re-INVITE may, RelayRefusedError, RelayUnreachableError */
  async resume(): Promise<void> {
    this.#copy = await this.options.media.subscribe(this.options.outer);
    this.#isPaused = false;
    try {
      await this.#tell();
    } catch (error) {
      this.#isPaused = true;
      await this.options.media.unsubscribe();
      throw error;
    }
  }

  /**
   * The media of the call has changed: the copy is made anew. The recording server hears of it only where its ports are others.
   * @throws what a re-INVITE may, RelayRefusedError, RelayUnreachableError
   */
  async renew(): Promise<void> {
    if (this.#isPaused || this.#isOver) return;
    const before = placesOf(this.#copy);
    this.#copy = await this.options.media.subscribe(this.options.outer);
    if (placesOf(this.#copy) === before) await this.options.media.answerSubscription(this.#answer);
    else await this.#tell();
  }

  /** Ends it with BYE; never rejects. The copy is the caller's to end. */
  async close(headers: SipHeaders = {}): Promise<void> {
    this.#isOver = true;
    await hangUp(this.dialog, headers, this.options.lost);
    this.dialog.removeAllListeners();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.dialog.removeAllListeners();
    this.options.onEnd();
  }

  #body(): string {
    const { ids, startedAt, sdp } = this.about;
    sdp.version++;
    const offer = offerOfCopy(this.#copy, sdp, this.#isPaused);
    return recordingBody(offer, recordingMetadata(this.options.call, ids, startedAt));
  }

  async #tell(): Promise<void> {
    const { lost, media, allows, answerMs } = this.options;
    const limits = { lost, deadlineMs: answerMs };
    const response = await reinvite(this.dialog, this.#body(), limits, { 'Content-Type': RECORDING_TYPE });
    if (response.status === 481 || response.status === 408) this.#end();
    if (response.status >= 300) throw new Error(`re-INVITE was answered with ${response.status} ${response.reason}`);
    if (this.#isPaused) return;
    const answer = usableAnswer(sdpOf(response), this.#copy, allows);
    await media.answerSubscription(answer);
    this.#answer = answer;
  }

  /** The recording server moves its ports, refreshes the session, or asks for the metadata (RFC 7866 §8.1.2.1): all of it is in our answer. */
  async #changed(request: SipRequest, response: SipResponse): Promise<void> {
    const wanted = request.body ? sdpOf(request) : '';
    const headers = { Contact: this.dialog.local.contact };
    try {
      if (request.method === 'UPDATE' && !wanted.startsWith('v=')) {
        respond(response, 200, 'OK', { headers });
        if (request.body) await this.#tell();
        return;
      }
      if (wanted.startsWith('v=') && !this.#isPaused) {
        const judged = judgeAnswer(wanted, this.#copy, this.options.allows);
        if (!judged.ok) {
          respond(response, 488, undefined, {});
          return;
        }
        await this.options.media.answerSubscription(judged.sdp);
        this.#answer = judged.sdp;
      }
      respond(response, 200, 'OK', { headers: { ...headers, 'Content-Type': RECORDING_TYPE }, body: this.#body() });
    } catch {
      // The relay is busy or gone: the session stays as it was.
      respond(response, 500);
    }
  }
}

/** @throws Error that says why it is not */
function usableAnswer(sdp: string, copy: string, allows: (address: string) => boolean): string {
  const judged = judgeAnswer(sdp, copy, allows);
  if (!judged.ok) throw new Error(judged.why);
  return judged.sdp;
}

/** Where the relay sends from: what a recording server knows of a copy. */
const placesOf = (sdp: string): string => (sdp.match(/^(m=\S+ \d+|c=.*)/gm) ?? []).join();
