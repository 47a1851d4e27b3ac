import { argumentWords } from '../channel/argument-words.js';
import { parseCallUrl } from '../originate/call-url.js';
import type { Destination } from '../originate/originator.js';
import type { ApiContext } from './api-commands.js';

const USAGE =
  '-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n';
const DEFAULT_TIMEOUT_S = 60;
const MAX_WORDS = 7;

/** `originate <call url> <exten>|&<application>(<argument>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]`. */
export async function originateCommand({ originator }: ApiContext, argument: string): Promise<string> {
  const words = argumentWords(argument);
  if (words.length < 2 || words.length > MAX_WORDS) return USAGE;
  const [url, destination = '', dialplan = 'XML', , callerName, callerNumber, timeout] = words.map((word) =>
    word.toLowerCase() === 'undef' ? undefined : word,
  );
  const plan = parseCallUrl(url ?? '');
  if (!plan) return '-ERR DESTINATION_OUT_OF_ORDER\n';
  const seconds = timeout === undefined ? DEFAULT_TIMEOUT_S : Number.parseInt(timeout, 10);
  const timeoutMs = (seconds > 0 ? seconds : DEFAULT_TIMEOUT_S) * 1000;
  const result = await originator.originate(plan, readDestination(destination, dialplan), {
    callerName,
    callerNumber,
    timeoutMs,
  });
  return result.ok ? `+OK ${result.uuid}\n` : `-ERR ${result.cause}\n`;
}

/** As in FreeSWITCH an argument ends at its first `)`: one that has such goes into an inline list. */
function readDestination(text: string, dialplan: string): Destination {
  const [, name, argument = ''] = /^&([^()]+)(?:\(([^)]*))?/s.exec(text) ?? [];
  if (name !== undefined) return { kind: 'application', name, argument };
  return dialplan.toLowerCase() === 'inline' ? { kind: 'inline', list: text } : { kind: 'extension' };
}
