import type { Conference } from '../conference/conference.js';
import { moveToConference } from '../conference/conference-application.js';
import { type ConferenceMember, volumeFactor } from '../conference/conference-member.js';
import { parseJoinArguments } from '../conference/join-arguments.js';

/** Does something to a conference; undefined when its words are not as they should be. */
type RoomCommand = (conference: Conference, rest: string[]) => string | undefined | Promise<string | undefined>;

/** Members that one `relate` may name on each side, as in FreeSWITCH. */
const MAX_RELATED = 100;
const MAX_NUMBER = 2 ** 31 - 1;

/** `conference <name> <command> …` that are not about one member. */
export const ROOM_COMMANDS: ReadonlyMap<string, RoomCommand> = new Map<string, RoomCommand>([
  ['lock', (conference) => setLock(conference, true)],
  ['unlock', (conference) => setLock(conference, false)],
  ['play', play],
  ['pause_play', pausePlay],
  ['stop', stop],
  ['file-vol', fileVolume],
  ['moh', music],
  ['record', (conference, [path]) => record(conference, path)],
  ['norecord', (conference, [path]) => (path ? stopRecording(conference, path) : undefined)],
  ['pause', (conference, [path]) => pauseRecording(conference, path, true)],
  ['resume', (conference, [path]) => pauseRecording(conference, path, false)],
  ['chkrecord', checkRecording],
  ['recording', recording],
  ['relate', relate],
  ['gettag', getTag],
  ['getvar', (conference, [name = '']) => conference.variables.get(name) ?? ''],
  ['setvar', setVariable],
  ['get', get],
  ['set', set],
  ['pin', (conference, words) => pin(conference, words)],
  ['nopin', (conference) => pin(conference, [])],
  ['enter_sound', (conference, words) => sound(conference, 'enter', words)],
  ['exit_sound', (conference, words) => sound(conference, 'exit', words)],
  ['transfer', transfer],
  ['say', () => '-ERR (say) Error!\n'],
  ['saymember', () => '-ERR (saymember) Error!\n'],
  ['dial', () => '-ERR dialling out is not supported\n'],
  ['bgdial', () => '-ERR dialling out is not supported\n'],
]);

function setLock(conference: Conference, on: boolean): string {
  conference.setLocked(on);
  return `+OK ${conference.name} ${on ? 'locked' : 'unlocked'}\n`;
}

async function play(conference: Conference, [file, who, how]: string[]): Promise<string | undefined> {
  if (!file) return undefined;
  const isAsync = who?.toLowerCase() === 'async' || how?.toLowerCase() === 'async';
  if (who === undefined || who.toLowerCase() === 'async') {
    const playing = await conference.sounds.play(file, { async: isAsync });
    return playing ? `+OK (play) Playing file ${file}\n` : `-ERR (play) File: ${file} not found.\n`;
  }
  const member = memberOf(conference, who);
  if (!member) return `-ERR Member: ${who} not found.\n`;
  const playing = await conference.sounds.play(file, { async: isAsync, member, alone: how?.toLowerCase() === 'nomux' });
  return playing
    ? `+OK (play) Playing file ${file} to member ${member.id}\n`
    : `-ERR (play) File: ${file} not found.\n`;
}

function pausePlay(conference: Conference, [who]: string[]): string {
  const target = who === undefined ? conference : memberOf(conference, who);
  if (!target) return `-ERR Member: ${who} not found.\n`;
  const now = target.plays.togglePause();
  if (!now) return '-ERR Nothing is playing\n';
  return now === 'paused' ? '+OK Pause\n' : '+OK Resume\n';
}

function stop(conference: Conference, [word = 'all', who]: string[]): string | undefined {
  const which = word.toLowerCase() === 'last' ? 'current' : word.toLowerCase();
  if (which !== 'current' && which !== 'all' && which !== 'async') return undefined;
  const target = who === undefined ? conference : memberOf(conference, who);
  if (!target) return `-ERR Member: ${who} not found.\n`;
  return `+OK Stopped ${target.plays.stop(which)} files.\n`;
}

function fileVolume(conference: Conference, [level, which]: string[]): string {
  if (level === undefined) return '-ERR missing args\n';
  const done = conference.plays.setGain(
    volumeFactor(Number.parseInt(level, 10) || 0),
    which?.toLowerCase() === 'async',
  );
  return done ? '+OK volume changed\n' : '-ERR File not playing\n';
}

function music(conference: Conference, [what]: string[]): string {
  if (!what) return '-ERR invalid moh param\n';
  if (what === 'toggle') conference.sounds.toggleHoldMusic();
  else
    conference.sounds.setHoldMusic(
      what === 'off' ? undefined : what === 'on' ? conference.settings['moh-sound'] : what,
    );
  return '+OK moh\n';
}

async function record(conference: Conference, path: string | undefined): Promise<string | undefined> {
  if (!path) return undefined;
  const problem = await conference.recordings.start(path);
  return problem === undefined ? `+OK Record file ${path}\n` : `-ERR ${problem}\n`;
}

function stopRecording(conference: Conference, path: string): string {
  const all = path.toLowerCase() === 'all';
  const paths = all ? conference.recordings.all().map((recording) => recording.path) : [path];
  const stopped = paths.filter((each) => conference.recordings.stop(each));
  const lines = stopped.map((each) => `Stopped recording file ${each}\n`);
  if (stopped.length === 0 && !all) lines.push(`-ERR non-existant recording '${path}'\n`);
  // FreeSWITCH counts before its recordings have ended, and so always none.
  return `${lines.join('')}+OK Stopped recording 0 files\n`;
}

function pauseRecording(conference: Conference, path: string | undefined, on: boolean): string | undefined {
  if (!path) return undefined;
  const done = `+OK ${on ? 'Pause' : 'Resume'} recording file ${path}\n`;
  if (!conference.recordings.pause(path, on)) return `${done}-ERR non-existant recording '${path}'\n`;
  conference.emit(on ? 'pause-recording' : 'resume-recording', [
    ['Path', path],
    ['Other-Recordings', String(conference.recordings.size > 0)],
  ]);
  return done;
}

function checkRecording(conference: Conference): string {
  const lines = conference.recordings.all().map(({ path }) => `+OK Record file ${path}\n`);
  return lines.join('') || '-ERR Conference is not being recorded.\n';
}

function recording(
  conference: Conference,
  [action = '', path]: string[],
): string | undefined | Promise<string | undefined> {
  switch (action.toLowerCase()) {
    case 'start':
      return record(conference, path);
    case 'stop':
      return stopRecording(conference, path ?? 'all');
    case 'check':
      return checkRecording(conference);
    case 'pause':
      return pauseRecording(conference, path, true);
    case 'resume':
      return pauseRecording(conference, path, false);
    default:
      // The older way to say it: the path alone.
      return path === undefined ? record(conference, action) : undefined;
  }
}

function relate(conference: Conference, [who, others, action]: string[]): string | undefined {
  if (others === undefined) return showRelations(conference, who);
  if (action === undefined) return undefined;
  const clears = action.toLowerCase() === 'clear';
  const relation = { speak: !action.includes('nospeak'), hear: !action.includes('nohear') };
  if (!clears && relation.speak && relation.hear) return undefined;
  const touched = new Set<ConferenceMember>();
  let answer = '';
  for (const id of ids(who)) {
    const member = conference.members.get(id);
    for (const otherId of ids(others)) {
      const other = conference.members.get(otherId);
      const done =
        member && (clears ? member.relations.delete(otherId) || true : other && member.relate(otherId, relation));
      if (!done) answer += `-ERR relationship ${id}->${otherId} not found.\n`;
      else answer += clears ? `+OK relationship ${id}->${otherId} cleared.\n` : `+OK ${id}->${otherId} ${action} set\n`;
      if (member) touched.add(member);
      if (other) touched.add(other);
    }
  }
  conference.applyRelations(touched);
  return answer;
}

function showRelations(conference: Conference, who: string | undefined): string {
  const wanted = who === undefined ? [] : ids(who);
  let answer = '';
  let isNone = true;
  for (const { id, relations } of conference.members.values()) {
    if (relations.size > 0) isNone = false;
    if (!wanted.includes(id)) continue;
    for (const [other, { speak, hear }] of relations) {
      answer += `${id} -> ${other} ${speak ? 'SPEAK ' : 'NOSPEAK '}${hear ? 'HEAR ' : 'NOHEAR '}NOSENDVIDEO \n`;
    }
  }
  return isNone ? '+OK No relationships\n' : answer;
}

/** jambonz' addition: the ids of the members that have the tag, or with `nomatch` of those that have not. */
function getTag(conference: Conference, [tag = '', how]: string[]): string {
  const wantsMatch = how?.toLowerCase() !== 'nomatch';
  const found = [...conference.members.values()].filter((member) => (member.tag === tag) === wantsMatch);
  return `${found.map(({ id }) => id).join(',')}\n`;
}

function setVariable(conference: Conference, [name, value = '']: string[]): string {
  if (name) conference.setVariable(name, value);
  return '+OK\n';
}

function get(conference: Conference, [name = '']: string[]): string | undefined {
  const values: Record<string, string | number> = {
    run_time: Math.floor((Date.now() - conference.createdMs) / 1000),
    count: conference.size,
    count_ghosts: conference.ghosts,
    max_members: conference.maxMembers,
    rate: conference.rateHz,
    profile_name: conference.profile,
    sound_prefix: conference.sounds.prefix,
    caller_id_name: conference.callerIdName,
    caller_id_number: conference.callerIdNumber,
    is_locked: conference.isLocked ? 'locked' : '',
    endconference_grace_time: conference.graceSeconds,
    uuid: conference.uuid,
    wait_mod: conference.isWaiting ? 'true' : '',
  };
  return Object.hasOwn(values, name.toLowerCase()) ? String(values[name.toLowerCase()]) : undefined;
}

/** Answers what the value was. */
function set(conference: Conference, [name = '', value = '']: string[]): string | undefined {
  const before = get(conference, [name]);
  const number = Math.min(Number.parseInt(value, 10) || 0, MAX_NUMBER);
  if (value === '') return undefined;
  switch (name.toLowerCase()) {
    case 'max_members':
      if (number < 0) return undefined;
      conference.maxMembers = number;
      return before;
    case 'endconference_grace_time':
      if (number < 0) return undefined;
      conference.graceSeconds = number;
      return before;
    case 'sound_prefix':
      conference.sounds.prefix = value;
      return before;
    case 'caller_id_name':
      conference.callerIdName = value;
      return before;
    case 'caller_id_number':
      conference.callerIdNumber = value;
      return before;
    default:
      return undefined;
  }
}

function pin(conference: Conference, [first, second]: string[]): string {
  if (first === undefined) {
    conference.pin = '';
    return `+OK Pin for conference ${conference.name} deleted\n`;
  }
  if (first.toLowerCase() === 'mod' && second !== undefined) {
    conference.moderatorPin = second;
    return `+OK Moderator Pin for conference ${conference.name} set: ${second}\n`;
  }
  conference.pin = first;
  return `+OK Pin for conference ${conference.name} set: ${first}\n`;
}

/** FreeSWITCH's own, for whoever switches on what has not been chosen. */
const DEFAULT_SOUNDS = {
  enter: 'tone_stream://%(200,0,500,600,700)',
  exit: 'tone_stream://%(500,0,300,200,100,50,25)',
};

function sound(conference: Conference, side: 'enter' | 'exit', [how, file]: string[]): string {
  if (how === undefined) return '-ERR Not enough args\n';
  const { name } = conference;
  const door = conference.sounds[side];
  switch (how.toLowerCase()) {
    case 'on':
      door.isOn = true;
      door.file ??= DEFAULT_SOUNDS[side];
      conference.emit(`${side}-sounds-on`);
      return `+OK ${name} ${side} sounds on (${door.file})\n`;
    case 'off':
    case 'none':
      door.isOn = false;
      conference.emit(`${side}-sounds-off`);
      return `+OK ${name} ${side} sounds off (${door.file})\n`;
    case 'file':
      if (!file) return '-ERR No filename specified\n';
      door.file = file;
      conference.emit(`${side}-sound-file-changed`);
      return `+OK ${name} ${side} sound file set to ${file}\n`;
    default:
      return '-ERR Bad args\n';
  }
}

function transfer(conference: Conference, [to, ...who]: string[]): string | undefined {
  if (!to || who.length === 0) return undefined;
  if (!parseJoinArguments(to)) return '-ERR Bad Args\n';
  return who
    .map((word) => {
      const member = conference.members.get(Number.parseInt(word, 10));
      if (!member) return `-ERR No Member ${word} in conference ${conference.name}.\n`;
      conference.emitMember(member, 'transfer', [
        ['Old-Conference-Name', conference.name],
        ['New-Conference-Name', to],
      ]);
      moveToConference(member.channel, to);
      return `+OK Member '${member.id}' sent to conference ${to}.\n`;
    })
    .join('');
}

function memberOf(conference: Conference, who: string): ConferenceMember | undefined {
  if (who.toLowerCase() === 'last') return conference.members.get(Math.max(...conference.members.keys()));
  return conference.members.get(Number.parseInt(who, 10));
}

function ids(text = ''): number[] {
  return text
    .split(',')
    .slice(0, MAX_RELATED)
    .map((word) => Number.parseInt(word, 10) || 0);
}
