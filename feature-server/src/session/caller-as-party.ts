import { MediaServerError } from '../errors.js';
import type { MediaEndpoint } from '../media/media.js';
import type { DialledParty } from '../verbs/call-dial.js';

/** A caller, as another call's party: he stays with his own session, whose verb goes on when the other call ends him. */
export class CallerAsParty implements DialledParty {
  readonly outcome = Promise.resolve({ ok: true, sdp: '', outerCallId: undefined } as const);
  readonly ended: Promise<void>;
  /** His own session takes his transfers. */
  readonly telephone = undefined;
  readonly verbs = undefined;
  #isEnded = false;

  constructor(
    readonly callSid: string,
    private readonly media: { endpoint(): MediaEndpoint | undefined; anchor(): Promise<void> },
    private readonly life: { ended: Promise<void>; end(): void },
  ) {
    this.ended = life.ended;
    void life.ended.then(() => {
      this.#isEnded = true;
    });
  }

  get endpoint(): MediaEndpoint | undefined {
    return this.media.endpoint();
  }

  async anchor(): Promise<void> {
    if (!this.#isEnded) await this.media.anchor();
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  onTransfer(): void {}

  async join(other: DialledParty): Promise<void> {
    await joinMedia(this, other);
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    this.life.end();
  }
}

/** Lets two parties hear each other. @throws MediaServerError */
export async function joinMedia(one: DialledParty, other: DialledParty): Promise<void> {
  await Promise.all([one.anchor(), other.anchor()]);
  if (!one.endpoint || !other.endpoint) throw new MediaServerError('a party has no media');
  await one.endpoint.bridge(other.endpoint);
}
