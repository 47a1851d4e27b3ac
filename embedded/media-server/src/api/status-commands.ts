import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { codecFormat } from '@ringwire/rtp';
import type { Channel } from '../channel/channel.js';
import { SERVER_VERSION } from '../event-socket/event-bus.js';
import { describeUptime } from '../session-meter.js';
import type { ApiCommand, ApiContext } from './api-commands.js';

/** Name under which drachtio-fsmrf looks for us in `sofia status`. */
const PROFILE = 'drachtio_mrf';

/** What the server says of itself. */
export const STATUS_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['sofia', sofia],
  ['status', status],
  ['show', show],
  ['version', (_context, argument) => version(argument)],
  ['uptime', uptime],
  ['hostname', () => hostname()],
  ['switchname', () => hostname()],
  ['create_uuid', () => randomUUID()],
  ['strepoch', () => String(Math.floor(Date.now() / 1000))],
  ['strmicroepoch', () => String(Date.now() * 1000)],
  ['module_exists', (_context, argument) => (argument === '' ? '' : String(MODULES.has(argument)))],
]);

/** Of FreeSWITCH's modules, and jambonz' additions to it, those whose work this server does. */
export const MODULES: ReadonlySet<string> = new Set([
  ...['CORE_PCM_MODULE', 'mod_event_socket', 'mod_sofia', 'mod_commands', 'mod_dptools', 'mod_conference'],
  ...['mod_audio_fork', 'mod_dub', 'mod_avmd', 'mod_vad_detect', 'mod_vad_silero'],
  // Files, and what is fetched.
  ...['mod_sndfile', 'mod_native_file', 'mod_tone_stream', 'mod_shout', 'mod_opusfile', 'mod_http_cache'],
  // Codecs: Opus, and G.722, which is in mod_spandsp beside tones; its fax is not here.
  ...['mod_opus', 'mod_spandsp'],
]);

const RULE = '='.repeat(97);
const XML = '<?xml version="1.0" encoding="ISO-8859-1"?>\n';
const NO_GATEWAYS =
  '    Profile::Gateway-Name\t                        Data    \tState\tPing Time\tIB Calls(F/T)\tOB Calls(F/T)\n' +
  `${RULE}\n${RULE}\n0 gateways: Inbound(Failed/Total): 0/0,Outbound(Failed/Total):0/0\n`;

function sofia(context: ApiContext, argument: string): string {
  const [command, what, name] = argument.split(/\s+/);
  // A profile's settings are the flags of this server: there is nothing to read again or to restart.
  if (command === 'profile') return 'Invalid Args!\n';
  if (command === '') return 'USAGE:\nsofia <status|xmlstatus> [profile <name>] | [gateway <name>]\n';
  if (command !== 'status' && command !== 'xmlstatus') return `Unknown Command [${command}]\n`;
  const address = context.sipAddress();
  const isXml = command === 'xmlstatus';
  if (what === 'gateway' && isXml) return `${XML}<gateways>\n</gateways>\n`;
  if (what === 'gateway') return name ? 'Invalid Gateway!\n' : NO_GATEWAYS;
  if (isXml && what === undefined) {
    return (
      `${XML}<profiles>\n<profile>\n<name>${PROFILE}</name>\n<type>profile</type>\n<data>sip:mod_sofia@${address}</data>\n` +
      `<state>RUNNING (${context.channels.size})</state>\n</profile>\n</profiles>\n`
    );
  }
  if (what === 'profile') {
    if (name !== PROFILE) return `Invalid Profile!\n`;
    const rows: [string, string | number][] = [
      ['Name', PROFILE],
      ['Domain Name', 'N/A'],
      ['Dialplan', 'XML'],
      ['Context', 'mrf'],
      ['RTP-IP', context.rtpAddress],
      ['SIP-IP', address.split(':')[0]!],
      ['URL', `sip:mod_sofia@${address}`],
      ['BIND-URL', `sip:mod_sofia@${address};transport=udp`],
      ['DTMF-MODE', 'rfc2833'],
      ['CALLS-IN', context.counters.sessionsTotal],
      ['FAILED-CALLS-IN', context.counters.sessionsRejected],
      ['CALLS-OUT', context.counters.callsPlaced],
      ['FAILED-CALLS-OUT', context.counters.callsPlacedFailed],
      ['REGISTRATIONS', 0],
    ];
    return `${RULE}\n${rows.map(([key, value]) => `${key.padEnd(16)}\t${value}`).join('\n')}\n`;
  }
  return (
    `                     Name\t   Type\t                                      Data\tState\n${RULE}\n` +
    `             ${PROFILE}\tprofile\t          sip:mod_sofia@${address}\tRUNNING (${context.channels.size})\n${RULE}\n` +
    '1 profile 0 aliases\n'
  );
}

function status({ channels, counters, meter, startedMs }: ApiContext): string {
  const perSecond = meter.perSecond;
  return (
    `UP ${describeUptime(Date.now() - startedMs)}\n` +
    `FreeSWITCH (Version ${SERVER_VERSION}) is ${meter.isPaused ? 'paused' : 'ready'}\n` +
    `${counters.sessionsTotal} session(s) since startup\n` +
    `${channels.size} session(s) - peak ${meter.peak}, last 5min ${meter.peakFiveMinutes(channels.size)} \n` +
    `${perSecond.last} session(s) per Sec out of max ${meter.maxPerSecond}, ` +
    `peak ${perSecond.peak}, last 5min ${perSecond.peakFiveMinutes} \n` +
    `${meter.maxSessions} session(s) max\n`
  );
}

function version(argument: string): string {
  if (argument === 'short') return `${SERVER_VERSION.split('-')[0]}\n`;
  return `FreeSWITCH Version ${SERVER_VERSION} (Ringwire)\n`;
}

const UPTIME_UNITS: Readonly<Record<string, number>> = {
  '': 1000,
  us: 0.001,
  microseconds: 0.001,
  ms: 1,
  milliseconds: 1,
  s: 1000,
  seconds: 1000,
  m: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  days: 86_400_000,
};

function uptime({ startedMs }: ApiContext, argument: string): string {
  const unitMs = UPTIME_UNITS[argument.toLowerCase()];
  if (unitMs === undefined) {
    return '-USAGE: [us|ms|s|m|h|d|microseconds|milliseconds|seconds|minutes|hours|days]\n';
  }
  return `${Math.floor((Date.now() - startedMs) / unitMs)}\n`;
}

type Row = Record<string, string>;

function channelRow(channel: Channel): Row {
  const headers = new Map(channel.basicHeaders());
  const { profile } = channel;
  const { name = '', rateHz = '' } = channel.agreement ? codecFormat(channel.agreement.codec) : {};
  const bitRate = headers.get('Channel-Read-Codec-Bit-Rate') ?? '';
  const created = new Date(channel.createdMs);
  const isInbound = !channel.isOutbound;
  return {
    uuid: channel.uuid,
    direction: profile.direction,
    created: created.toISOString().slice(0, 19).replace('T', ' '),
    created_epoch: String(Math.floor(channel.createdMs / 1000)),
    name: channel.name,
    state: headers.get('Channel-State') ?? '',
    cid_name: profile.callerName,
    cid_num: profile.callerNumber,
    ip_addr: profile.networkAddress,
    dest: profile.destination,
    application: channel.getVariable('current_application') ?? '',
    application_data: channel.getVariable('current_application_data') ?? '',
    dialplan: isInbound ? 'XML' : '',
    context: isInbound ? 'mrf' : 'default',
    read_codec: name,
    read_rate: String(rateHz),
    read_bit_rate: bitRate,
    write_codec: name,
    write_rate: String(rateHz),
    write_bit_rate: bitRate,
    secure: '',
    hostname: hostname(),
    presence_id: '',
    presence_data: '',
    accountcode: '',
    callstate: headers.get('Channel-Call-State') ?? '',
    callee_name: profile.calleeName ?? '',
    callee_num: profile.calleeNumber ?? '',
    callee_direction: profile.origCallerNumber === undefined ? '' : 'RECV',
    call_uuid: channel.getVariable('call_uuid') ?? channel.uuid,
    sent_callee_name: '',
    sent_callee_num: '',
    initial_cid_name: profile.origCallerName ?? profile.callerName,
    initial_cid_num: profile.origCallerNumber ?? profile.callerNumber,
    initial_ip_addr: profile.networkAddress,
    initial_dest: profile.destination,
    initial_dialplan: isInbound ? 'XML' : '',
    initial_context: isInbound ? 'mrf' : 'default',
  };
}

const CALL_COLUMNS =
  `uuid direction created created_epoch name state cid_name cid_num ip_addr dest presence_id presence_data accountcode callstate
  callee_name callee_num callee_direction call_uuid hostname sent_callee_name sent_callee_num`.split(/\s+/);
const FAR_COLUMNS =
  `uuid direction created created_epoch name state cid_name cid_num ip_addr dest presence_id presence_data accountcode callstate
  callee_name callee_num callee_direction sent_callee_name sent_callee_num`.split(/\s+/);

/** A call is a channel, or two that are bridged. */
function callRows(channels: Channel[]): Row[] {
  const rows: Row[] = [];
  const seen = new Set<Channel>();
  for (const channel of channels) {
    if (seen.has(channel)) continue;
    const far = channel.bridgedTo;
    if (far) seen.add(far);
    const near = channelRow(channel);
    const other = far ? channelRow(far) : {};
    const row: Row = {};
    for (const column of CALL_COLUMNS) row[column] = near[column] ?? '';
    for (const column of FAR_COLUMNS) row[`b_${column}`] = other[column] ?? '';
    row.call_created_epoch = near.created_epoch!;
    rows.push(row);
  }
  return rows;
}

const SHOW_USAGE =
  '-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|calls|' +
  'detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say|interfaces|' +
  'interface_types|tasks|limits|status\n';

/** `show channels|calls|bridged_calls|registrations [count|like <text>] [as json|xml|delim <d>|csv]`. */
function show({ channels }: ApiContext, argument: string): string {
  const words = argument.split(/\s+/);
  const what = words.shift() ?? '';
  const all = channels.all();
  let rows: Row[];
  if (what === 'channels') rows = all.map(channelRow);
  else if (what === 'calls' || what === 'detailed_calls') rows = callRows(all);
  else if (what === 'bridged_calls' || what === 'detailed_bridged_calls') {
    rows = callRows(all.filter((channel) => channel.bridgedTo !== undefined));
  } else if (what === 'registrations') rows = [];
  else return SHOW_USAGE;
  const isCount = words[0] === 'count';
  if (isCount) words.shift();
  if (words[0] === 'like' && words[1]) {
    const text = words[1].toLowerCase();
    rows = rows.filter((row) => Object.values(row).some((value) => value.toLowerCase().includes(text)));
    words.splice(0, 2);
  }
  const [as, format = 'delim', delimiter] = words;
  if (as === 'as' && format === 'json') return rowsToJson(rows, isCount);
  if (as === 'as' && format === 'xml') return rowsToXml(rows, isCount);
  if (as === 'as' && format !== 'delim' && format !== 'csv') return `-ERR Cannot find format ${format}\n`;
  if (isCount) return `\n${rows.length} total.\n`;
  const separator = as === 'as' && format === 'delim' ? (delimiter ?? ',') : ',';
  const lines = rows.map((row) => Object.values(row).join(separator));
  const head = rows[0] ? `${Object.keys(rows[0]).join(separator)}\n` : '';
  return `${head}${lines.map((line) => `${line}\n`).join('')}\n${rows.length} total.\n`;
}

function rowsToJson(rows: Row[], isCount: boolean): string {
  if (isCount) return JSON.stringify({ row_count: rows.length, rows: [] });
  return rows.length === 0 ? '{"row_count": 0}\n' : JSON.stringify({ row_count: rows.length, rows });
}

function rowsToXml(rows: Row[], isCount: boolean): string {
  if (isCount || rows.length === 0) return `<result row_count="${rows.length}"/>\n`;
  const text = rows.map((row, i) => {
    const cells = Object.entries(row).map(([name, value]) => `    <${name}>${escapeXml(value)}</${name}>\n`);
    return `  <row row_id="${i + 1}">\n${cells.join('')}  </row>\n`;
  });
  return `<result row_count="${rows.length}">\n${text.join('')}</result>\n`;
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
