import { isIP } from 'node:net';
import type { Channel } from '../channel/channel.js';
import { ChannelForks } from '../forks/channel-forks.js';
import type { ForkOptions } from '../forks/fork.js';
import { isObject, readForkRequest } from '../forks/fork-messages.js';
import type { ForkTarget } from '../forks/fork-socket.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { quotedWords } from './quoted-words.js';

const OK = '+OK Success\n';
const FAILED = '-ERR Operation Failed\n';
const USAGE =
  '-USAGE: <uuid> [start | stop | send_text | pause | resume | graceful-shutdown | stop_play ] [wss-url | path] ' +
  '[mono | mixed | stereo] [8000 | 16000 | 24000 | 32000 | 64000] [bugname] [metadata] ' +
  '[bidirectionalAudio_enabled] [bidirectionalAudio_stream_enabled] [bidirectionalAudio_stream_samplerate]\n';

const DEFAULT_NAME = 'audio_fork';
/** What applications that were written for mod_audio_fork expect; the same environment variable changes it. */
const SUBPROTOCOL = process.env.MOD_AUDIO_FORK_SUBPROTOCOL_NAME || 'audio.drachtio.org';
const MAX_METADATA_LENGTH = 8192;
const MAX_RATE_HZ = 64000;

const forks = new ChannelForks();

/** `uuid_audio_fork`: audio of a channel to a WebSocket server and back. */
export const FORK_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['uuid_audio_fork', audioFork],
]);

function audioFork(context: ApiContext, argument: string): string {
  const [uuid = '', action, ...rest] = quotedWords(argument);
  if (action === undefined || (action === 'start' && rest.length < 2)) return USAGE;
  const channel = context.channels.get(uuid);
  if (!channel) return FAILED;
  return obey(channel, action.toLowerCase(), rest, context) ? OK : FAILED;
}

function obey(channel: Channel, action: string, rest: string[], context: ApiContext): boolean {
  if (action === 'start') return start(channel, rest, context);
  if (action === 'stop') {
    const [name, text] = nameAndText(rest);
    return forks.stop(channel, name, text);
  }
  if (action === 'send_text') {
    const [name, text] = nameAndText(rest);
    const fork = forks.get(channel, name);
    if (text !== undefined) fork?.sendText(text);
    return fork !== undefined && text !== undefined;
  }
  const fork = forks.get(channel, rest[0] || DEFAULT_NAME);
  if (!fork) return false;
  if (action === 'pause') fork.pause(rest[1] === 'silence');
  else if (action === 'resume') fork.resume();
  else if (action === 'graceful-shutdown') fork.finish();
  else if (action === 'stop_play') fork.stopPlay();
  else return false;
  return true;
}

/** `[bugname] [text]`: a text alone begins like JSON. */
function nameAndText([first = '', second]: string[]): [name: string, text: string | undefined] {
  if (/^[{[]/.test(first)) return [DEFAULT_NAME, first];
  return [first || DEFAULT_NAME, second || undefined];
}

function start(channel: Channel, rest: string[], { counters }: ApiContext): boolean {
  const [address = '', mix = '', sampling = '8000', ...more] = rest;
  if (more.length === 1 && /^[{[]/.test(more[0]!)) more.unshift('');
  const [bugname = '', metadata = '', enabled = 'true', streaming = 'false', streamSampling = ''] = more;
  const sampleRateHz = readRate(sampling);
  const target = readTarget(channel, address);
  if (!target || !sampleRateHz || (mix !== 'mono' && mix !== 'mixed' && mix !== 'stereo')) return false;
  let incoming: ForkOptions['incoming'] = enabled === 'false' ? 'none' : 'files';
  if (incoming === 'files' && streaming === 'true') {
    const streamRateHz = streamSampling === '' ? sampleRateHz : readRate(streamSampling);
    if (!streamRateHz) return false;
    incoming = { streamRateHz };
  }
  const name = bugname || DEFAULT_NAME;
  return forks.start(
    channel,
    { target, bugname: name, mix, sampleRateHz, metadata: metadata.slice(0, MAX_METADATA_LENGTH), incoming },
    counters,
  );
}

/** A multiple of 8000 up to 64000, or so many `k`. */
function readRate(text: string): number | undefined {
  const [, digits, kilo] = /^(\d{1,5})(k?)$/.exec(text) ?? [];
  const rateHz = Number(digits) * (kilo ? 1000 : 1);
  return rateHz > 0 && rateHz <= MAX_RATE_HZ && rateHz % 8000 === 0 ? rateHz : undefined;
}

/** The server's address, with what the channel's variables say of how it is reached. */
function readTarget(channel: Channel, address: string): ForkTarget | undefined {
  if (!/^(wss?|https?):\/\//i.test(address) || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  url.protocol = url.protocol.replace('http', 'ws');
  url.hash = '';
  const headers: Record<string, string> = {};
  const custom = readForkRequest(channel.getVariable('MOD_AUDIO_FORK_HEADERS') ?? '')?.whole;
  for (const [name, value] of Object.entries(isObject(custom) ? custom : {})) {
    if (/^[\w-]+$/.test(name) && typeof value === 'string' && /^[\x20-\x7e]*$/.test(value)) headers[name] = value;
  }
  const user = channel.getVariable('MOD_AUDIO_BASIC_AUTH_USERNAME');
  if (user !== undefined) {
    const password = channel.getVariable('MOD_AUDIO_BASIC_AUTH_PASSWORD') ?? '';
    headers.Authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }
  const judged = (channel.getVariable('ringwire_audio_fork_addresses') ?? '').split(',').filter((one) => isIP(one));
  return {
    url,
    ...(judged.length > 0 && { addresses: judged }),
    headers,
    subprotocol: SUBPROTOCOL,
    allowSelfSigned: isTrue(channel.getVariable('MOD_AUDIO_FORK_ALLOW_SELFSIGNED')),
    skipHostnameCheck: isTrue(channel.getVariable('MOD_AUDIO_FORK_SKIP_SERVER_CERT_HOSTNAME_CHECK')),
  };
}

/** What FreeSWITCH takes for true. */
function isTrue(value: string | undefined): boolean {
  return /^(yes|on|true|t|enabled|active|allow)$/i.test(value ?? '') || Number(value) > 0;
}
