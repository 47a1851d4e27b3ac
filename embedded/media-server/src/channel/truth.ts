/** FreeSWITCH's idea of true. */
export function isTrue(text: string | undefined): boolean {
  return text !== undefined && (/^(yes|on|true|t|enabled|active|allow)$/i.test(text) || Number(text) > 0);
}
