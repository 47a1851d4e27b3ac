const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(' ');
/** FreeSWITCH has room for so much. */
const MAX_LENGTH = 79;
const DAY_MS = 86_400_000;

/** A time by a format of C's `strftime`, in the process's own zone; empty where the format has what FreeSWITCH does not take. */
export function formatTime(format: string, time: Date): string {
  let isValid = true;
  const text = format.replace(/%(.?)/gs, (_match, letter: string) => {
    const value = FIELDS[letter]?.(time);
    if (value === undefined) isValid = false;
    return value ?? '';
  });
  return isValid && text.length <= MAX_LENGTH ? text : '';
}

const pad = (value: number, digits = 2, fill = '0'): string => String(value).padStart(digits, fill);
const hour12 = (time: Date): number => time.getHours() % 12 || 12;

/** Days since the first of January; in UTC, so that summer time does not count. */
function dayOfYear(time: Date): number {
  const year = time.getFullYear();
  return Math.round((Date.UTC(year, time.getMonth(), time.getDate()) - Date.UTC(year, 0, 1)) / DAY_MS);
}

/** Weeks of this year that began before, when they begin on Sunday (0) or Monday (1). */
function weekOfYear(time: Date, firstDay: number): number {
  return Math.floor((dayOfYear(time) + 7 - ((time.getDay() + 7 - firstDay) % 7)) / 7);
}

function zoneOffset(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? '-' : '+'}${pad(hours)}${pad(rest)}`;
}

function zoneName(time: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(time);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

/** What may follow `%`, in the C locale. */
const FIELDS: Readonly<Record<string, (time: Date) => string>> = {
  C: (time) => pad(Math.floor(time.getFullYear() / 100)),
  D: (time) => formatTime('%m/%d/%y', time),
  r: (time) => formatTime('%I:%M:%S %p', time),
  R: (time) => formatTime('%H:%M', time),
  T: (time) => formatTime('%H:%M:%S', time),
  e: (time) => pad(time.getDate(), 2, ' '),
  a: (time) => DAYS[time.getDay()]!.slice(0, 3),
  A: (time) => DAYS[time.getDay()]!,
  b: (time) => MONTHS[time.getMonth()]!.slice(0, 3),
  B: (time) => MONTHS[time.getMonth()]!,
  c: (time) => formatTime('%a %b %e %H:%M:%S %Y', time),
  d: (time) => pad(time.getDate()),
  H: (time) => pad(time.getHours()),
  I: (time) => pad(hour12(time)),
  j: (time) => pad(dayOfYear(time) + 1, 3),
  m: (time) => pad(time.getMonth() + 1),
  M: (time) => pad(time.getMinutes()),
  p: (time) => (time.getHours() < 12 ? 'AM' : 'PM'),
  S: (time) => pad(time.getSeconds()),
  U: (time) => pad(weekOfYear(time, 0)),
  w: (time) => String(time.getDay()),
  W: (time) => pad(weekOfYear(time, 1)),
  x: (time) => formatTime('%m/%d/%y', time),
  X: (time) => formatTime('%H:%M:%S', time),
  y: (time) => pad(time.getFullYear() % 100),
  Y: (time) => String(time.getFullYear()),
  z: zoneOffset,
  Z: zoneName,
  '%': () => '%',
};
