/**
 * A copy of a text that was cut out of a larger one. The engine lets a part keep the whole alive: a tag that is
 * remembered would hold its message in memory.
 */
export function ownText(text: string): string {
  // The engine copies what is shorter anyway.
  return text.length < 13 ? text : Buffer.from(text, 'utf8').toString('utf8');
}
