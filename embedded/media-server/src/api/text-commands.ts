import { createHash } from 'node:crypto';
import type { Channel } from '../channel/channel.js';
import { findPattern } from '../channel/digit-pattern.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { formatTime } from './format-time.js';

/** Helpers of dialplans that make one text of another. */
export const TEXT_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['echo', (_context, argument) => argument],
  ['md5', (_context, argument) => (argument === '' ? '!err!' : createHash('md5').update(argument).digest('hex'))],
  ['regex', (_context, argument) => applyRegex(argument)],
  ['strftime', (_context, argument) => tellTime(argument)],
  ['eval', evaluate],
  ['expand', expandCommand],
]);

/** `[m:<|~/>]<text>|<expression>[|<substitution>[|n|b]]`; in the substitution `%1` or `$1` is what the first group matched. */
function applyRegex(argument: string): string {
  const [, custom, rest = argument] = /^m:([|~/])(.*)$/s.exec(argument) ?? [];
  const [text = '', expression, substitution, flags = ''] = splitWords(rest, custom ?? '|');
  if (expression === undefined) return '-ERR';
  const groups = findPattern(text, expression);
  if (substitution === undefined) return String(groups !== undefined);
  if (groups) return substitution.replace(/[%$](\d{1,2})/g, (_match, number: string) => groups[Number(number)] ?? '');
  if (flags.includes('n')) return '';
  return flags.includes('b') ? 'false' : text;
}

/** Four words at most, the last with the rest; `\` before the separator takes away its meaning. */
function splitWords(text: string, separator: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\' && text[at + 1] === separator) word += text[++at]!;
    else if (text[at] === separator && words.length < 3) {
      words.push(word);
      word = '';
    } else word += text[at]!;
  }
  // As in FreeSWITCH nothing after the last separator is no word.
  return word === '' && words.length > 0 ? words : [...words, word];
}

/** `[<epoch>|x]<format>`: FreeSWITCH leaves out the character after the bar, whatever it is, and so do we. */
function tellTime(argument: string): string {
  const bar = argument.indexOf('|');
  if (bar < 0) return formatTime(argument || '%Y-%m-%d %T', new Date());
  const seconds = Number.parseInt(argument, 10) || 0;
  return formatTime(argument.slice(bar + 2) || '%Y-%m-%d %T', new Date(seconds * 1000));
}

/** `eval [uuid:<uuid> ]<text>`. */
function evaluate(context: ApiContext, argument: string): Promise<string> {
  const { channel, text } = forUuid(context, argument);
  return expandText(context, text, channel);
}

/** `expand [uuid:<uuid> ]<command> <arguments>`: the command is run when its arguments are expanded. */
async function expandCommand(context: ApiContext, argument: string): Promise<string> {
  const { channel, text } = forUuid(context, argument);
  const [, name = '', rest = ''] = /^(\S*)\s?(.*)$/s.exec(text) ?? [];
  if (name === '') return '-ERR No input\n';
  if (!context.hasCommand(name)) return 'INVALID COMMAND!\n-ERR Cannot execute command\n';
  return context.run(`${name} ${await expandText(context, rest, channel)}`);
}

function forUuid({ channels }: ApiContext, argument: string): { channel: Channel | undefined; text: string } {
  const [, uuid, text = ''] = /^(?:uuid:(\S+)\s)?(.*)$/s.exec(argument) ?? [];
  return { channel: uuid === undefined ? undefined : channels.get(uuid), text };
}

/** Variables of the channel, else global ones, in the place of `${name}`; the answers of commands in that of `${name(arguments)}`. */
async function expandText(context: ApiContext, text: string, channel: Channel | undefined): Promise<string> {
  let expanded = '';
  let from = 0;
  for (const match of text.matchAll(/(\\?)\$?\$\{([^{}]*)\}/g)) {
    const [whole, isEscaped, name = ''] = match;
    expanded += text.slice(from, match.index);
    from = match.index + whole.length;
    if (isEscaped) expanded += whole.slice(1);
    else expanded += await textOf(context, name, channel);
  }
  return expanded + text.slice(from);
}

async function textOf(context: ApiContext, name: string, channel: Channel | undefined): Promise<string> {
  const [, command, rest = ''] = /^(\w+)\((.*)\)$/s.exec(name) ?? [];
  if (command === undefined) return channel?.getVariable(name) ?? context.globals.get(name) ?? '';
  return context.hasCommand(command) ? context.run(`${command} ${rest}`) : '';
}
