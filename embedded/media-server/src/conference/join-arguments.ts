/** Longest name of a room: names go into every event. */
const MAX_NAME_LENGTH = 256;

/** What the `conference` application was given. */
export interface JoinArguments {
  name: string;
  profile: string;
  /** What the caller has to enter; empty when nothing. */
  pin: string;
  flags: ReadonlySet<string>;
}

/**
 * Reads `name[@profile][+pin][+flags{a|b}]`, as FreeSWITCH's `conference` has it; undefined when the name is empty, too long, or has
 * control characters, which would break the lists that clients parse.
 */
export function parseJoinArguments(text: string): JoinArguments | undefined {
  const flagsAt = text.indexOf('+flags{');
  const head = (flagsAt < 0 ? text : text.slice(0, flagsAt)).trim();
  const flagsEnd = flagsAt < 0 ? -1 : text.indexOf('}', flagsAt);
  const flagsText = flagsAt < 0 ? '' : text.slice(flagsAt + '+flags{'.length, flagsEnd < 0 ? undefined : flagsEnd);
  const plus = head.indexOf('+');
  const address = plus < 0 ? head : head.slice(0, plus);
  const at = address.lastIndexOf('@');
  const name = at < 0 ? address : address.slice(0, at);
  const flags = new Set(
    flagsText
      .split('|')
      .map((flag) => flag.trim().toLowerCase())
      .filter((flag) => flag !== ''),
  );
  if (name === '' || name.length > MAX_NAME_LENGTH || hasControlCharacters(name)) return undefined;
  return {
    name,
    profile: (at < 0 ? '' : address.slice(at + 1)) || 'default',
    pin: plus < 0 ? '' : head.slice(plus + 1).trim(),
    flags,
  };
}

function hasControlCharacters(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 32 || text.charCodeAt(i) === 127) return true;
  return false;
}
