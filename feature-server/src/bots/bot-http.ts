import type { ExchangeResult } from '../app-client/http-exchange.js';
import { BotError } from '../errors.js';

/** Posts JSON to a bot. What goes wrong underway is an error of the client. */
export type PostJson = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
) => Promise<ExchangeResult>;

/** How much of a bot's refusal is told. */
const SHOWN_CHARACTERS = 300;

/**
 * The JSON of a bot's answer.
 * @throws BotError where it is a refusal, or no JSON
 */
export function readAnswer(vendor: string, { status, body }: ExchangeResult): unknown {
  if (status < 200 || status > 299) {
    throw new BotError(`${vendor} answered with HTTP status ${status}: ${body.slice(0, SHOWN_CHARACTERS)}`, { status });
  }
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new BotError(
      `${vendor} answered what is not JSON: ${body.slice(0, SHOWN_CHARACTERS)}`,
      { status },
      { cause },
    );
  }
}

/** An object of an answer; an empty one where something else stands. */
export const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

/** A list of an answer; an empty one where something else stands. */
export const listOfAnswer = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A text of an answer; undefined where it is empty or something else. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined;
