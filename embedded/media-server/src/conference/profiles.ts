import { type ControlGroup, DEFAULT_CONTROLS, readControl } from './controls.js';

/** What a profile may set: parameters of FreeSWITCH's `conference.conf`, by their names there. */
export const PROFILE_PARAMETERS = [
  // Sounds to all: who comes, who goes, who is left alone, that it is closed and opened.
  ...(['enter-sound', 'exit-sound', 'alone-sound', 'is-locked-sound', 'is-unlocked-sound'] as const),
  // Sounds to one member.
  ...(['muted-sound', 'unmuted-sound', 'mute-detect-sound', 'deaf-sound', 'undeaf-sound', 'kicked-sound'] as const),
  // Sounds to who wants to come in.
  ...(['member-enter-sound', 'locked-sound', 'maxmember-sound', 'pin-sound', 'bad-pin-sound'] as const),
  ...(['moh-sound', 'sound-prefix', 'caller-controls', 'moderator-controls', 'pin', 'moderator-pin'] as const),
  ...(['max-members', 'energy-level', 'pin-retries', 'endconf-grace-time'] as const),
  ...(['caller-id-name', 'caller-id-number'] as const),
] as const;

/** A parameter of a profile. */
export type ProfileParameter = (typeof PROFILE_PARAMETERS)[number];

const NUMBERS: ReadonlySet<string> = new Set(['max-members', 'energy-level', 'pin-retries', 'endconf-grace-time']);
const GROUPS: ReadonlySet<string> = new Set(['caller-controls', 'moderator-controls']);

/** How conferences of one profile are. */
export type ConferenceProfile = Readonly<Partial<Record<ProfileParameter, string>>>;

/** All profiles and all groups of keys. */
export class ConferenceProfiles {
  readonly #profiles: ReadonlyMap<string, ConferenceProfile>;
  readonly #groups: ReadonlyMap<string, ControlGroup>;

  constructor(profiles: ReadonlyMap<string, ConferenceProfile>, groups: ReadonlyMap<string, ControlGroup>) {
    this.#profiles = profiles;
    this.#groups = new Map([['default', DEFAULT_CONTROLS], ...groups]);
  }

  /** The profile of that name, or the one called `default`. */
  get(name: string): ConferenceProfile {
    return this.#profiles.get(name) ?? this.#profiles.get('default') ?? {};
  }

  /** What keys do in that group; in `none`, and in one that there is not, nothing. */
  controls(group: string): ControlGroup {
    return this.#groups.get(group) ?? new Map();
  }
}

/** Without a file: no sounds, and FreeSWITCH's own group of keys. */
export const NO_PROFILES = new ConferenceProfiles(new Map(), new Map());

/** What reading gives. */
export type ProfilesResult = { ok: true; profiles: ConferenceProfiles } | { ok: false; problems: string[] };

/**
 * Reads `{"profiles": {"<name>": {"<parameter>": "<value>"}}, "caller-controls": {"<group>": {"<key>": "<action>"}}}`; every problem is
 * told with its path.
 */
export function parseProfiles(text: string): ProfilesResult {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [`not JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const problems: string[] = [];
  const root = entriesOf(file, '', problems);
  const profiles = new Map<string, ConferenceProfile>();
  const groups = new Map<string, ControlGroup>();
  for (const [key, value] of root) {
    if (key !== 'profiles' && key !== 'caller-controls') problems.push(`${key}: expected profiles or caller-controls`);
    else if (key === 'profiles') {
      for (const [name, profile] of entriesOf(value, key, problems)) {
        profiles.set(name, readProfile(profile, `${key}.${name}`, problems));
      }
    } else {
      for (const [name, group] of entriesOf(value, key, problems)) {
        groups.set(name, readGroup(group, `${key}.${name}`, problems));
      }
    }
  }
  const known = new Set(['default', 'none', ...groups.keys()]);
  for (const [name, profile] of profiles) {
    for (const parameter of ['caller-controls', 'moderator-controls'] as const) {
      const group = profile[parameter];
      if (group !== undefined && !known.has(group))
        problems.push(`profiles.${name}.${parameter}: there is no group ${group}`);
    }
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, profiles: new ConferenceProfiles(profiles, groups) };
}

function readProfile(value: unknown, path: string, problems: string[]): ConferenceProfile {
  const profile: Partial<Record<ProfileParameter, string>> = {};
  for (const [name, setting] of entriesOf(value, path, problems)) {
    const at = `${path}.${name}`;
    const parameter = PROFILE_PARAMETERS.find((known) => known === name);
    if (!parameter) problems.push(`${at}: expected one of ${PROFILE_PARAMETERS.join(', ')}`);
    else if (NUMBERS.has(name) && !/^\d{1,9}$/.test(String(setting))) problems.push(`${at}: expected a whole number`);
    else if (typeof setting === 'string' || NUMBERS.has(name)) profile[parameter] = String(setting);
    else problems.push(`${at}: expected ${GROUPS.has(name) ? 'the name of a group' : 'text'}`);
  }
  return profile;
}

function readGroup(value: unknown, path: string, problems: string[]): ControlGroup {
  const group = new Map<string, NonNullable<ReturnType<typeof readControl>>>();
  for (const [key, action] of entriesOf(value, path, problems)) {
    const control = typeof action === 'string' ? readControl(action) : undefined;
    if (!/^[0-9*#A-D]$/.test(key)) problems.push(`${path}.${key}: expected one key, 0-9, *, #, A-D`);
    else if (!control) problems.push(`${path}.${key}: there is no action ${String(action)}`);
    else group.set(key, control);
  }
  return group;
}

function entriesOf(value: unknown, path: string, problems: string[]): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
  problems.push(`${path || 'file'}: expected an object`);
  return [];
}
