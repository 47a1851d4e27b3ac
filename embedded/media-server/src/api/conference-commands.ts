import { splitArguments } from '../channel/media-applications.js';
import type { Conference } from '../conference/conference.js';
import type { ConferenceMember } from '../conference/conference-member.js';
import { jsonList, memberLines, prettyLines, summaryLine, xmlList } from '../conference/lists.js';
import type { ApiContext } from './api-commands.js';
import { MEMBER_COMMANDS } from './conference-member-commands.js';
import { ROOM_COMMANDS } from './conference-room-commands.js';

/** Words of a command that are looked at, as in FreeSWITCH. */
const MAX_WORDS = 25;

/** `conference <name> <command> …`, and `conference list|count|xml_list|json_list` for all. */
export async function conferenceCommand({ conferences }: ApiContext, argument: string): Promise<string> {
  const words = splitArguments(argument).slice(0, MAX_WORDS);
  const [name = '', command = '', ...rest] = words;
  if (name === '') return Object.entries(USAGES).map(usageLine).join('');
  const conference = conferences.get(name);
  if (!conference) return ofAll(conferences.all(), name, words.slice(1));
  if (command === '') return "Conference command, not specified.\nTry 'help'\n";
  const known = command.toLowerCase();
  if (known === 'list') return list(conference, rest);
  if (known === 'count') return String(conference.size);
  if (known === 'xml_list') return xmlList([conference]);
  if (known === 'json_list') return jsonList([conference], rest[0] === 'compact');
  const roomCommand = ROOM_COMMANDS.get(known);
  if (roomCommand) return (await roomCommand(conference, rest)) ?? usage(known);
  const memberCommand = MEMBER_COMMANDS.get(known);
  if (!memberCommand) return `-ERR Conference command '${command}' not found.\n`;
  const [who, ...more] = rest;
  const members = membersNamed(conference, who);
  if (!members) return usage(known);
  if (typeof members === 'string') return members;
  return members.map((member) => memberCommand(conference, member, more)).join('');
}

/** The members that a word means; a text when there is none, undefined when the word means nothing. */
function membersNamed(conference: Conference, who = ''): ConferenceMember[] | string | undefined {
  const all = [...conference.members.values()];
  const word = who.toLowerCase();
  if (word === 'all') return all;
  if (word === 'non_moderator') return all.filter(({ isModerator }) => !isModerator);
  if (word === 'last') return all.length ? [all.reduce((last, member) => (member.id > last.id ? member : last))] : [];
  const id = Number.parseInt(who, 10);
  if (id > 0) {
    const member = conference.members.get(id);
    return member ? [member] : `-ERR Non-Existant ID ${id}\n`;
  }
  const equals = who.indexOf('=');
  if (equals < 0) return undefined;
  const member = all.find(({ channel }) => channel.getVariable(who.slice(0, equals)) === who.slice(equals + 1));
  return member ? [member] : '-ERR Non-Existant member\n';
}

function ofAll(all: Conference[], command: string, rest: string[]): string {
  switch (command.toLowerCase()) {
    case 'list':
      if (all.length === 0) return '+OK No active conferences.\n';
      return all
        .map((conference) => `${summaryLine(conference)}${rest[0] === 'summary' ? '' : list(conference, rest)}`)
        .join('');
    case 'count':
      return String(all.reduce((sum, { size }) => sum + size, 0));
    case 'xml_list':
      return xmlList(all);
    case 'json_list':
      return jsonList(all, rest[0] === 'compact');
    case 'help':
    case 'commands':
      return `${Object.entries(USAGES).map(usageLine).join('')}\n`;
  }
  const first = rest[0]?.toLowerCase();
  if (first === 'dial' || first === 'bgdial') return NO_DIALLING;
  return `-ERR Conference ${command} not found\n`;
}

function list(conference: Conference, [how = '', delimiter]: string[]): string {
  switch (how.toLowerCase()) {
    case 'count':
      return String(conference.size);
    case 'pretty':
      return prettyLines(conference);
    case 'delim':
      return memberLines(conference, delimiter);
    default:
      return memberLines(conference);
  }
}

/** What this server answers where FreeSWITCH would call someone. */
const NO_DIALLING = '-ERR dialling out is not supported\n';

const TARGET = '<[member_id|all|last|non_moderator]>';
const VALUE = '<member_id|all|last|non_moderator> [<newval>]';
const USAGES: Record<string, string> = {
  list: '[delim <string>]|[count]',
  count: '',
  xml_list: '',
  json_list: '[compact]',
  energy: VALUE,
  agc: VALUE,
  volume_in: VALUE,
  volume_out: VALUE,
  play: '<file_path> [async|<member_id> [nomux]]',
  pause_play: '[<member_id>]',
  stop: '<[current|all|async|last]> [<member_id>]',
  dtmf: `${TARGET} <digits>`,
  kick: `${TARGET} [<optional sound file>]`,
  hup: TARGET,
  hold: `${TARGET} [file]`,
  unhold: TARGET,
  mute: `${TARGET} [<quiet>]`,
  tmute: `${TARGET} [<quiet>]`,
  unmute: `${TARGET} [<quiet>]`,
  deaf: TARGET,
  undeaf: TARGET,
  relate: '<member_id>[,<member_id>] <other_member_id>[,<other_member_id>] [nospeak|nohear|clear]',
  tag: '<member_id> [<tag>]',
  untag: '<member_id>',
  gettag: '<tag> [nomatch]',
  getvar: '<varname>',
  setvar: '<varname> <value>',
  lock: '',
  unlock: '',
  transfer: '<conference_name> <member id> [...<member id>]',
  record: '<filename>',
  chkrecord: '<confname>',
  norecord: '<[filename|all]>',
  pause: '<filename>',
  resume: '<filename>',
  recording: '[start|stop|check|pause|resume] [<filename>|all]',
  exit_sound: 'on|off|none|file <filename>',
  enter_sound: 'on|off|none|file <filename>',
  moh: '<file_path>|toggle|[on|off]',
  pin: '<pin#>',
  nopin: '',
  get: '<parameter-name>',
  set: '<max_members|sound_prefix|caller_id_name|caller_id_number|endconference_grace_time> <value>',
  'file-vol': '<vol#>',
  'get-uuid': '<member_id|last>',
  floor: '<member_id|last>',
};

function usage(command: string): string {
  return `${command} ${USAGES[command] ?? ''}`;
}

function usageLine([command, syntax]: [string, string]): string {
  return `<conf name> ${command} ${syntax}\n`;
}
