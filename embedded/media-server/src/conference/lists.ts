import type { Conference } from './conference.js';
import type { ConferenceMember } from './conference-member.js';

/** The lines of `conference <name> list`: a member each, the last to come first, as in FreeSWITCH. */
export function memberLines(conference: Conference, delimiter = ';'): string {
  return newestFirst(conference)
    .map((member) => {
      const { channel, volumeIn, volumeOut, energyLevel } = member;
      const { callerName, callerNumber } = channel.profile;
      const fields = [member.id, channel.name, channel.uuid, callerName, callerNumber, memberFlags(conference, member)];
      return `${[...fields, volumeIn, volumeOut, energyLevel].map((field) => oneLine(field)).join(delimiter)}\n`;
    })
    .join('');
}

/** The lines of `conference <name> list pretty`. */
export function prettyLines(conference: Conference): string {
  return newestFirst(conference)
    .map(
      ({ id, channel }) => `${id}) ${oneLine(channel.profile.callerName)} (${oneLine(channel.profile.callerNumber)})\n`,
    )
    .join('');
}

/** The line that introduces a conference in `conference list`. */
export function summaryLine(conference: Conference): string {
  const { name, size, rateHz, isLocked } = conference;
  const members = `${size} member${size === 1 ? '' : 's'}`;
  return `+OK Conference ${name} (${members} rate: ${rateHz}${isLocked ? ' locked' : ''} flags: ${conferenceFlags(conference).join('|')})\n`;
}

/** `conference xml_list`. */
export function xmlList(conferences: readonly Conference[]): string {
  return `<?xml version="1.0"?>\n<conferences>\n${conferences.map(xmlConference).join('')}</conferences>\n`;
}

/** `conference json_list`. */
export function jsonList(conferences: readonly Conference[], compact: boolean): string {
  return JSON.stringify(conferences.map(jsonConference), undefined, compact ? undefined : '\t');
}

function memberFlags(conference: Conference, member: ConferenceMember): string {
  const { isOnHold, canHear, canSpeak, isTalking, isModerator, isGhost } = member;
  const flags: [string, boolean][] = [
    ['hear', !isOnHold && canHear],
    ['speak', !isOnHold && canSpeak],
    ['talking', !isOnHold && isTalking],
    ['hold', isOnHold],
    ['floor', conference.floor === member.id],
    ['moderator', isModerator],
    ['ghost', isGhost],
  ];
  return flags.flatMap(([name, isSet]) => (isSet ? [name] : [])).join('|');
}

function conferenceFlags(conference: Conference): string[] {
  const flags: [string, boolean][] = [
    ['locked', conference.isLocked],
    ['wait_mod', conference.isWaiting],
    ['running', true],
    ['answered', true],
    ['enforce_min', true],
    ['dynamic', true],
    ['exit_sound', conference.sounds.exit.isOn],
    ['enter_sound', conference.sounds.enter.isOn],
    ['recording', conference.recordings.size > 0],
  ];
  return flags.flatMap(([name, isSet]) => (isSet ? [name] : []));
}

function xmlConference(conference: Conference): string {
  const { maxMembers, graceSeconds } = conference;
  const attributes: [string, string | number][] = [
    ['name', conference.name],
    ['member-count', conference.size],
    ['ghost-count', conference.ghosts],
    ['rate', conference.rateHz],
    ['uuid', conference.uuid],
    ...conferenceFlags(conference).map((flag): [string, string] => [flag, 'true']),
  ];
  if (maxMembers > 0) attributes.push(['max_members', maxMembers]);
  if (graceSeconds > 0) attributes.push(['endconference_grace_time', graceSeconds]);
  attributes.push(['run_time', secondsSince(conference.createdMs)]);
  const variables = [...conference.variables].map(
    ([name, value]) => `      <variable name="${escapeXml(name)}" value="${escapeXml(value)}"/>\n`,
  );
  const members = newestFirst(conference).map((member) => xmlMember(conference, member));
  const recordings = conference.recordings
    .all()
    .map(
      ({ path, startedMs, isPaused }) =>
        `      <member type="recording_node">\n        <record_path${isPaused ? ' status="paused"' : ''}>${escapeXml(path)}</record_path>\n` +
        `        <join_time type="UNIX-epoch">${Math.floor(startedMs / 1000)}</join_time>\n      </member>\n`,
    );
  const head = attributes.map(([name, value]) => `${name}="${escapeXml(String(value))}"`).join(' ');
  return (
    `  <conference ${head}>\n    <variables>\n${variables.join('')}    </variables>\n` +
    `    <members>\n${members.join('')}${recordings.join('')}    </members>\n  </conference>\n`
  );
}

function xmlMember(conference: Conference, member: ConferenceMember): string {
  const tags = (entries: [string, unknown][], indent: string): string =>
    entries
      .map(
        ([name, value]) => `${indent}<${name}>${encodeURIComponent(Buffer.from(String(value)).toString())}</${name}>\n`,
      )
      .join('');
  const flags = flagValues(conference, member);
  return (
    `      <member type="caller">\n${tags(memberValues(member, 'N/A'), '        ')}        <flags>\n` +
    `${tags([...flags.filter(([name]) => name !== 'pass_digits'), ['is_ghost', member.isGhost]], '          ')}        </flags>\n` +
    `        <output-volume>${member.volumeOut}</output-volume>\n      </member>\n`
  );
}

function jsonConference(conference: Conference): object {
  const flags = conferenceFlags(conference);
  const names = ['locked', 'destruct', 'wait_mod', 'audio_always', 'running', 'answered', 'enforce_min', 'bridge_to'];
  names.push('dynamic', 'exit_sound', 'enter_sound', 'recording', 'video_bridge', 'video_floor_only', 'video_rfc4579');
  return {
    conference_name: conference.name,
    member_count: conference.size,
    ghost_count: conference.ghosts,
    rate: conference.rateHz,
    run_time: secondsSince(conference.createdMs),
    conference_uuid: conference.uuid,
    canvas_count: 0,
    max_bw_in: 0,
    force_bw_in: 0,
    video_floor_packets: 0,
    ...Object.fromEntries(names.map((name) => [name, flags.includes(name)])),
    ...(conference.maxMembers > 0 && { max_members: conference.maxMembers }),
    variables: Object.fromEntries(conference.variables),
    members: [
      ...newestFirst(conference).map((member) => ({
        type: 'caller',
        ...Object.fromEntries(memberValues(member, 0)),
        flags: Object.fromEntries(flagValues(conference, member)),
        'output-volume': member.volumeOut,
        'input-volume': member.volumeIn,
      })),
      ...conference.recordings.all().map(({ path, startedMs, isPaused }) => ({
        type: 'recording_node',
        record_path: path,
        ...(isPaused && { status: 'paused' }),
        join_time: Math.floor(startedMs / 1000),
      })),
    ],
  };
}

function memberValues(member: ConferenceMember, never: string | number): [string, string | number][] {
  const { channel, lastTalkedMs } = member;
  return [
    ['id', member.id],
    ['uuid', channel.uuid],
    ['caller_id_name', channel.profile.callerName],
    ['caller_id_number', channel.profile.callerNumber],
    ['join_time', secondsSince(member.joinedMs)],
    ['last_talking', lastTalkedMs === 0 ? never : secondsSince(lastTalkedMs)],
    ['energy', member.energyLevel],
    ['volume_in', member.volumeIn],
    ['volume_out', member.volumeOut],
  ];
}

function flagValues(conference: Conference, member: ConferenceMember): [string, boolean][] {
  const { isOnHold, flags } = member;
  return [
    ['can_hear', !isOnHold && member.canHear],
    ['can_see', false],
    ['can_speak', !isOnHold && member.canSpeak],
    ['mute_detect', flags.has('mute-detect')],
    ['talking', !isOnHold && member.isTalking],
    ['hold', isOnHold],
    ['has_video', false],
    ['video_bridge', false],
    ['has_floor', conference.floor === member.id],
    ['is_moderator', member.isModerator],
    ['end_conference', flags.has('endconf')],
    ['mandatory_member_end_conference', flags.has('mandatory_member_endconf')],
    ['pass_digits', flags.has('dist-dtmf')],
  ];
}

function newestFirst(conference: Conference): ConferenceMember[] {
  return [...conference.members.values()].reverse();
}

function secondsSince(ms: number): number {
  return Math.floor((Date.now() - ms) / 1000);
}

/** A field of a list: what a caller calls himself must not make lines of its own. */
function oneLine(field: string | number): string {
  return String(field).replace(/[\r\n]/g, ' ');
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
