import { type AudioAgreement, answerAudio, type CodecId, parseSdp } from '@ringwire/rtp';
import { createUserAgent, type Dialog, type IncomingCall } from '@ringwire/sip';
import { PhoneMedia, type Teardown } from './test-phone.js';

/** A call that a {@link TestCallee} was offered. */
export interface OfferedCall {
  call: IncomingCall;
  media: PhoneMedia;
  /** Our answer to its offer; media flows from then on. */
  answer(): string;
  /** Takes the call. */
  accept(): Dialog;
}

/** A phone that is called. */
export class TestCallee {
  readonly calls: OfferedCall[] = [];
  readonly #waiting: (() => void)[] = [];

  private constructor(
    /** `127.0.0.1:port`. */
    readonly address: string,
  ) {}

  /** Listens on a free port; `react` is called with each call. */
  static async create(t: Teardown, react: (offered: OfferedCall) => void = () => undefined): Promise<TestCallee> {
    const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
    const { host, port } = agent.addresses[0]!;
    const callee = new TestCallee(`${host}:${port}`);
    t.teardown(() => agent.stop());
    agent.onInvite((call) => {
      void PhoneMedia.open(t).then((media) => {
        const offered = offer(call, media);
        callee.calls.push(offered);
        for (const wake of callee.#waiting.splice(0)) wake();
        react(offered);
      });
    });
    return callee;
  }

  /** Resolves with the call of that number, counted from 0, when it has come. */
  async call(number = 0): Promise<OfferedCall> {
    while (this.calls.length <= number) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.calls[number]!;
  }
}

function offer(call: IncomingCall, media: PhoneMedia): OfferedCall {
  let sdp: string | undefined;
  const answer = (): string => {
    if (sdp !== undefined) return sdp;
    const agreed = agree(call.sdp, media);
    media.startTo(agreed.agreement);
    sdp = agreed.sdp;
    return sdp;
  };
  const accept = (): Dialog => {
    const dialog = call.accept(answer());
    if (!dialog) throw new Error('the caller had given up');
    return dialog;
  };
  return { call, media, answer, accept };
}

function agree(offered: string, { socket }: PhoneMedia): { sdp: string; agreement: AudioAgreement<CodecId> } {
  const parsed = parseSdp(offered);
  if (!parsed.ok) throw parsed.error;
  const { host, port } = socket;
  const answered = answerAudio<CodecId>(parsed.sdp, {
    host,
    port,
    sessionId: '7',
    sessionVersion: 1,
    codecs: ['PCMU', 'PCMA'],
  });
  if (!answered.ok) throw answered.error;
  return answered;
}
