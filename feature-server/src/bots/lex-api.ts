import { BotError } from '../errors.js';
import { type AwsCredentials, signAws } from './aws-signature.js';
import { listOfAnswer, objectOf, type PostJson, readAnswer, textOf } from './bot-http.js';

/** Which bot, and in whose name. */
export interface LexBot {
  /** URL of the service. */
  base: string;
  region: string;
  botId: string;
  botAlias: string;
  /** `en_US` */
  locale: string;
  /** Name of the conversation. */
  sessionId: string;
  credentials: AwsCredentials;
}

/** What the bot says to an utterance. */
export interface LexAnswer {
  /** Texts, plain or SSML, in order. */
  messages: string[];
  /** The bot's answer whole. */
  answer: Readonly<Record<string, unknown>>;
}

/** Regions are part of a host's name: whatever is not one would name another host. */
const REGION = /^[a-z]{2}(-[a-z]+)+-\d{1,2}$/;

/**
 * AWS' address of Lex V2 in a region.
 * @throws BotError where it is no region
 */
export function lexUrl(region: string): string {
  if (!REGION.test(region)) throw new BotError(`"${region.slice(0, 40)}" is no region of AWS`, {});
  return `https://runtime-v2-lex.${region}.amazonaws.com`;
}

/**
 * Reads the credentials of a verb: `accessKeyId` (or `accessKey`), `secretAccessKey`, `sessionToken` (or `securityToken`).
 * @throws BotError that names what is missing
 */
export function readAwsCredentials(credentials: Readonly<Record<string, unknown>>): AwsCredentials {
  const accessKeyId = credentials.accessKeyId ?? credentials.accessKey;
  const { secretAccessKey } = credentials;
  const sessionToken = credentials.sessionToken ?? credentials.securityToken;
  if (typeof accessKeyId !== 'string') throw new BotError('credentials lack accessKeyId', {});
  if (typeof secretAccessKey !== 'string') throw new BotError('credentials lack secretAccessKey', {});
  return { accessKeyId, secretAccessKey, ...(typeof sessionToken === 'string' && { sessionToken }) };
}

/**
 * Tells the bot a text: RecognizeText of Lex V2.
 * @param state of the session, with which the first text of a conversation begins it
 * @throws BotError, and what `post` throws
 */
export async function recognizeText(
  bot: LexBot,
  text: string,
  state: Readonly<Record<string, unknown>> | undefined,
  post: PostJson,
  signal: AbortSignal,
): Promise<LexAnswer> {
  const steps = ['bots', bot.botId, 'botAliases', bot.botAlias, 'botLocales', bot.locale, 'sessions', bot.sessionId];
  const url = new URL(`${bot.base.replace(/\/$/, '')}/${[...steps, 'text'].map(encodeURIComponent).join('/')}`);
  const body = JSON.stringify({ text, ...(state && { sessionState: state }) });
  const headers = { 'content-type': 'application/json' };
  const signed = signAws(
    { method: 'POST', url, headers, body, region: bot.region, service: 'lex' },
    bot.credentials,
    new Date(),
  );
  const answer = objectOf(readAnswer('Lex', await post(url, signed, body, signal)));
  const messages = listOfAnswer(answer.messages)
    .map(objectOf)
    .filter(({ contentType }) => contentType === 'PlainText' || contentType === 'SSML')
    .map(({ content }) => textOf(content))
    .filter((content) => content !== undefined);
  return { messages, answer };
}
