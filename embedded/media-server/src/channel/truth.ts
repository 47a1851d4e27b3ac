/** FreeSWITCH's idea of true. */
export function isTrue(text: string | undefined): boolean {
  return text !== undefined && (/^(yes|on|true|t|enabled|active|allow)$/i.test(text) || Number(text) > 0);
}

/** FreeSWITCH's idea of false; what is not set is not. */
export function isFalse(text: string | undefined): boolean {
  return text !== undefined && !isTrue(text);
}
