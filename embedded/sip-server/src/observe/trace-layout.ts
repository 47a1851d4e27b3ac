/** The columns of a ladder: where its lifelines stand, and how a row is drawn. */

/** `   0.123 #1    `. */
const PREFIX = 15;
/** Room right of the last lifeline for its name: an IPv4 address with port. */
const LAST_NAME = 21;
const MIN_GAP = 9;
/** Wider arrows are only longer to follow. */
const MAX_GAP = 32;
/** Most calls have a peer, the server and an application: the lines of a call do not move when the third one joins. */
const USUAL_COLUMNS = 3;

/** One row's arrow. */
export interface Arrow {
  /** Indexes of columns. */
  from: number;
  to: number;
  text: string;
}

/** How far apart the lifelines stand. */
function gapOf(columns: number, width: number): number {
  const gaps = Math.max(columns, USUAL_COLUMNS) - 1;
  return Math.max(MIN_GAP, Math.min(MAX_GAP, Math.floor((width - PREFIX - LAST_NAME) / gaps)));
}

/** The names of the participants above their lifelines; too long ones are cut. */
export function drawNames(names: readonly string[], width: number): string {
  const gap = gapOf(names.length, width);
  const cells = names.map((name, i) => {
    const room = i === names.length - 1 ? LAST_NAME : gap - 1;
    return cut(name, room).padEnd(i === names.length - 1 ? 0 : gap);
  });
  return (' '.repeat(PREFIX) + cells.join('')).trimEnd();
}

/** One row: `seconds` since the start of the call, its number, the lifelines and the arrow. */
export function drawArrow(
  { from, to, text }: Arrow,
  call: { seconds: number; number: number; columns: number },
  width: number,
): string {
  const gap = gapOf(call.columns, width);
  const cells: string[] = [];
  for (let i = 0; i < call.columns; i++) {
    cells.push('│');
    if (i < call.columns - 1) cells.push(...' '.repeat(gap - 1));
  }
  const [left, right] = [Math.min(from, to) * gap, Math.max(from, to) * gap];
  for (let x = left + 1; x < right; x++) cells[x] = cells[x] === '│' ? '┼' : '─';
  if (from < to) cells[right - 1] = '▶';
  else cells[left + 1] = '◀';
  const start = from < to ? left + 2 : left + 3;
  const label = [...cut(text, Math.max(1, right - left - 4))];
  for (const [i, char] of label.entries()) cells[start + i] = char;
  const time = call.seconds.toFixed(3).padStart(8);
  return `${time} ${`#${call.number}`.padEnd(PREFIX - 9)}${cells.join('')}`;
}

function cut(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
