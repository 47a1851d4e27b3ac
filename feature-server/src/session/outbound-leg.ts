import { CallGoneError } from '../errors.js';
import type {
  CallLeg,
  LegChanges,
  LegEnd,
  LegReply,
  LegRequest,
  LegRequestHandler,
  ModifyHandler,
  ReferHandler,
} from './call-leg.js';
import type { DialOutcome, PlacedLeg } from './dialler.js';

/** Sends the INVITE of a call that we place. */
export type PlaceLeg = (offer: string, onProgress: (status: number, sdp: string) => void) => PlacedLeg;

/** The leg of a call that we place on somebody's order: it rings there before the application is asked. */
export class OutboundLeg implements CallLeg {
  /** Ours is the offer; the far end's SDP comes with its answer. */
  readonly remoteSdp = '';
  #leg: PlacedLeg | undefined;
  #isAnswered = false;
  #isOver = false;
  #onEnd: (end: LegEnd) => void = () => {};
  #onDigit: (key: string, durationMs: number | undefined) => void = () => {};
  #onRefer: ReferHandler | undefined;
  #onRequest: LegRequestHandler | undefined;
  #answerModify: ModifyHandler = () => Promise.reject(new Error('no session'));

  constructor(private readonly place: PlaceLeg) {}

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** A leg that was placed and answered for another call. */
  static answered(leg: PlacedLeg): OutboundLeg {
    const outbound = new OutboundLeg(() => leg);
    outbound.#leg = leg;
    outbound.#isAnswered = true;
    outbound.#follow(leg);
    return outbound;
  }

  /** Calls, and resolves with the answer or why there is none; never rejects. */
  async connect(offer: string, onProgress: (status: number, sdp: string) => void): Promise<DialOutcome> {
    if (this.#isOver) return { ok: false, status: 487, reason: 'Request Terminated' };
    const leg = this.place(offer, onProgress);
    this.#leg = leg;
    this.#follow(leg);
    const outcome = await leg.outcome;
    if (outcome.ok && !this.#isOver) this.#isAnswered = true;
    return outcome;
  }

  /** Progress of the far end is its own to tell. */
  ring(): void {}

  async earlyMedia(): Promise<void> {}

  async answer(): Promise<void> {}

  reject(): void {
    void this.#stop({});
  }

  hangup(headers: Record<string, string>): Promise<void> {
    return this.#stop(headers);
  }

  onEnd(listener: (end: LegEnd) => void): void {
    this.#onEnd = listener;
  }

  onDigit(listener: (key: string, durationMs: number | undefined) => void): void {
    this.#onDigit = listener;
  }

  onModify(answer: ModifyHandler): void {
    this.#answerModify = answer;
  }

  onRefer(handler: ReferHandler | undefined): void {
    this.#onRefer = handler;
    this.#leg?.onRefer(handler);
  }

  get changes(): LegChanges | undefined {
    return this.#leg?.changes;
  }

  get peerHost(): string | undefined {
    return this.#leg?.peerHost;
  }

  async request(request: LegRequest): Promise<LegReply> {
    if (!this.#leg || this.#isOver) throw new CallGoneError('the leg has no dialog');
    return this.#leg.request(request);
  }

  onRequest(handler: LegRequestHandler | undefined): void {
    this.#onRequest = handler;
    this.#leg?.onRequest(handler);
  }

  #follow(leg: PlacedLeg): void {
    leg.onModify((...change) => this.#answerModify(...change));
    leg.onDigit((key, durationMs) => this.#onDigit(key, durationMs));
    leg.onRefer(this.#onRefer);
    leg.onRequest(this.#onRequest);
    leg.onEnd((end) => this.#end(end));
  }

  #end(end: LegEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd(end);
  }

  async #stop(headers: Record<string, string>): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#leg?.end(headers);
  }
}
