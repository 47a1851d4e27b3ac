/** What may stand in the user part of a number's URI. */
const NUMBER = /^\+?[\w*#.-]{1,64}$/;

/** A number as it is dialled, without what people put between digits; null for what is no number. */
export function dialableNumber(text: string): string | null {
  const number = text.replace(/[\s()]/g, '');
  return NUMBER.test(number) ? number : null;
}
