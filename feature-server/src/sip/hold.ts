/**
 * Whether an offer puts its receiver on hold (RFC 3264 §8.4): who offers does not want to hear anything, or, as RFC 2543 had it, gives the address
 * 0.0.0.0.
 */
export function isHold(sdp: string): boolean {
  const audio = /^m=audio[\s\S]*?(?=^m=|$(?![\s\S]))/m.exec(sdp)?.[0] ?? '';
  const session = /^[\s\S]*?(?=^m=)/m.exec(sdp)?.[0] ?? '';
  const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m;
  const said = direction.exec(audio)?.[1] ?? direction.exec(session)?.[1] ?? 'sendrecv';
  const address = /^c=IN IP4 (\S+)/m;
  const host = address.exec(audio)?.[1] ?? address.exec(session)?.[1];
  return said === 'sendonly' || said === 'inactive' || host === '0.0.0.0';
}
