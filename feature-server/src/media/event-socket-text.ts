/**
 * JSON in one argument of an event-socket command: FreeSWITCH's splitter takes `\"` and `\\` apart and expands `${…}`, but leaves `\uXXXX`
 * alone, so everything that it minds is written so. To be put in single quotes.
 */
export function jsonArgument(value: unknown): string {
  const text = JSON.stringify(value).replace(/\\(["\\/bfnrt])/g, (_, kind: string) => unicode(ESCAPED[kind] ?? kind));
  return `'${text.replace(/['$]/g, unicode)}'`;
}

/**
 * A URL as an argument of an event-socket command: without blanks, quotes and `${…}`.
 * @throws TypeError when it is none
 */
export function urlArgument(url: string): string {
  return new URL(url).href.replace(/['"${}|\\ ]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * Text as the value of a channel variable. FreeSWITCH expands `${…}` in it and takes backslashes apart, and a line break would begin another header.
 * @throws TypeError for text that cannot be handed over as it is
 */
export function variableText(what: string, text: string): string {
  if (/[\p{Cc}\\]|[$@]\{/u.test(text))
    throw new TypeError(`${what} must not have control characters, backslashes or \${`);
  return text;
}

/**
 * A file's or stream's name as an argument of an event-socket command, in single quotes.
 * @throws TypeError when it holds what FreeSWITCH would take apart or expand
 */
export function quotedArgument(name: string): string {
  if (/['"$|\\\p{Cc}]/u.test(name)) throw new TypeError(`"${name}" cannot be named to the media server`);
  return `'${name}'`;
}

const ESCAPED: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function unicode(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
