/** One value of a DER encoding (X.690 §8.1). */
export interface DerValue {
  /** First identifier byte; tag numbers above 30 are not read. */
  tag: number;
  contents: Buffer;
}

/** The encoding breaks its own lengths. Caught where certificates are read. */
export class DerError extends Error {}

/** The values that stand one after the other in a buffer. @throws DerError */
export function readDer(buffer: Buffer): DerValue[] {
  const values: DerValue[] = [];
  let at = 0;
  while (at < buffer.length) {
    const tag = buffer[at]!;
    let length = buffer[at + 1] ?? 0x80;
    let start = at + 2;
    if ((tag & 0x1f) === 0x1f) throw new DerError('long tag');
    if (length >= 0x80) {
      const bytes = length & 0x7f;
      if (bytes === 0 || bytes > 4 || start + bytes > buffer.length) throw new DerError('bad length');
      length = buffer.readUIntBE(start, bytes);
      start += bytes;
    }
    if (start + length > buffer.length) throw new DerError('value is cut off');
    values.push({ tag, contents: buffer.subarray(start, start + length) });
    at = start + length;
  }
  return values;
}

/** The only value in a buffer. @throws DerError */
export function readOne(buffer: Buffer): DerValue {
  const [value, more] = readDer(buffer);
  if (!value || more) throw new DerError('not one value');
  return value;
}

/** An object identifier in dotted form. */
export function oidOf(contents: Buffer): string {
  const parts: number[] = [];
  let part = 0;
  for (const byte of contents) {
    part = part * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      parts.push(part);
      part = 0;
    }
  }
  const [first = 0, ...rest] = parts;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...rest].join('.');
}

/** An extension of a certificate (RFC 5280 §4.2). */
export interface CertificateExtension {
  oid: string;
  isCritical: boolean;
  /** The DER in its octet string. */
  value: Buffer;
}

/** The extensions of a certificate in DER. @throws DerError */
export function extensionsOf(certificate: Buffer): CertificateExtension[] {
  const tbs = readDer(readOne(certificate).contents)[0];
  // [3] EXPLICIT Extensions
  const wrapped = tbs && readDer(tbs.contents).find(({ tag }) => tag === 0xa3);
  if (!wrapped) return [];
  return readDer(readOne(wrapped.contents).contents).map(({ contents }) => {
    const [oid, ...rest] = readDer(contents);
    const value = rest.at(-1);
    if (oid?.tag !== 0x06 || value?.tag !== 0x04) throw new DerError('bad extension');
    const isCritical = rest.length === 2 && rest[0]!.tag === 0x01 && rest[0]!.contents[0] !== 0;
    return { oid: oidOf(oid.contents), isCritical, value: value.contents };
  });
}
