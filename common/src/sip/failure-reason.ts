/**
 * What a `Reason` header (RFC 3326) says of a failure: its text when one of its values is a SIP cause of 500 to 599, which is
 * how the core marks the BYE of a call that it lost. Null for every other reason, and for garbage.
 */
export function failureOf(reason: string | undefined): string | null {
  const match = /(?:^|,)\s*SIP\s*;([^,"]*(?:"[^"]*"[^,"]*)*)/i.exec(reason ?? '');
  const params = match?.[1] ?? '';
  const cause = /(?:^|;)\s*cause\s*=\s*"?(5\d\d)"?\s*(?:;|$)/i.exec(params)?.[1];
  if (cause === undefined) return null;
  const text = /(?:^|;)\s*text\s*=\s*"([^"]*)"/i.exec(params)?.[1]?.trim();
  return text || `SIP cause ${cause}`;
}
