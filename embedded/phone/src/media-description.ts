import { randomInt } from 'node:crypto';
import {
  type AgreementResult,
  type AnswerResult,
  acceptAudioAnswer,
  answerAudio,
  type G711Codec,
  type LocalAudio,
  offerAudio,
  parseSdp,
} from '@ringwire/rtp';
import type { MediaSession } from './media-session.js';

/** Our side of offer and answer over the life of a call: applies what is agreed to the media. */
export class MediaDescription {
  readonly #media: MediaSession;
  readonly #local: LocalAudio;

  constructor(media: MediaSession, codecs?: readonly G711Codec[]) {
    this.#media = media;
    this.#local = {
      host: media.host,
      port: media.port,
      sessionId: String(randomInt(2 ** 31)),
      sessionVersion: 1,
      ...(codecs ? { codecs } : {}),
    };
  }

  /** Our offer. */
  offer(): string {
    return offerAudio(this.#local);
  }

  /** Takes the peer's answer to our offer. */
  accept(answer: string): AgreementResult {
    const parsed = parseSdp(answer);
    const result = parsed.ok ? acceptAudioAnswer(parsed.sdp, this.#local) : parsed;
    if (result.ok) this.#media.agree(result.agreement);
    return result;
  }

  /** Answers an offer of the peer; a second one raises the version of our description. */
  answer(offer: string, again = false): AnswerResult {
    const parsed = parseSdp(offer);
    if (!parsed.ok) return parsed;
    if (again) this.#local.sessionVersion += 1;
    const result = answerAudio(parsed.sdp, this.#local);
    if (result.ok) this.#media.agree(result.agreement);
    return result;
  }
}
