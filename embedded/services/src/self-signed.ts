import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

/** A certificate with its key, as PEM files. */
export interface CertificateFiles {
  certFile: string;
  keyFile: string;
}

/** Browsers refuse server certificates that are good for longer. */
const VALID_DAYS = 398;
/** One that ends sooner is made again at a start. */
const RENEW_DAYS = 30;
const DAY_MS = 86_400_000;

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const BASIC_CONSTRAINTS = '2.5.29.19';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const SUBJECT_ALT_NAME = '2.5.29.17';

/** One DER value (X.690 §8.1). */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  const length = [];
  for (let rest = body.length; rest > 0; rest >>= 8) length.unshift(rest & 0xff);
  const head = body.length < 0x80 ? [tag, body.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from(head), body]);
}

const sequence = (...contents: readonly Buffer[]): Buffer => der(0x30, ...contents);
const octets = (contents: Buffer): Buffer => der(0x04, contents);
const yes = der(0x01, Buffer.of(0xff));

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = rest.flatMap((part) => {
    const digits = [part & 0x7f];
    for (let high = part >> 7; high > 0; high >>= 7) digits.unshift(0x80 | (high & 0x7f));
    return digits;
  });
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

/** UTCTime (RFC 5280 §4.1.2.5.1), which is for years up to 2049. */
function time(ms: number): Buffer {
  const [year, month, day, hour, minute, second] = new Date(ms).toISOString().split(/\D/);
  return der(0x17, Buffer.from(`${year?.slice(2)}${month}${day}${hour}${minute}${second}Z`));
}

/** A GeneralName: iPAddress [7] (IPv4) or dNSName [2]. */
function generalName(name: string): Buffer {
  return isIP(name) === 4 ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name));
}

/**
 * Makes a certificate for a web server that nobody but itself vouches for (RFC 5280; ECDSA on P-256).
 * @param names host names and IPv4 addresses; the first is its common name
 * @returns PEM
 */
export function selfSigned(names: readonly string[]): { cert: string; key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const name = sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(names[0] ?? 'localhost')))));
  const now = Date.now();
  const extensions = sequence(
    sequence(oid(BASIC_CONSTRAINTS), yes, octets(sequence())),
    sequence(oid(EXTENDED_KEY_USAGE), octets(sequence(oid(SERVER_AUTH)))),
    sequence(oid(SUBJECT_ALT_NAME), octets(sequence(...names.map(generalName)))),
  );
  // Positive, and never with a byte too many in front (X.690 §8.3.2).
  const serial = Buffer.concat([Buffer.of(0x40), randomBytes(15)]);
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    name,
    sequence(time(now - DAY_MS), time(now + VALID_DAYS * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, algorithm, der(0x03, Buffer.of(0), signature));
  return {
    cert: new X509Certificate(certificate).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Whether a certificate is there that is good for these names for a while. */
function isGood({ certFile, keyFile }: CertificateFiles, names: readonly string[]): boolean {
  if (!existsSync(certFile) || !existsSync(keyFile)) return false;
  try {
    const certificate = new X509Certificate(readFileSync(certFile));
    const covers = (name: string): boolean =>
      (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
    return Date.parse(certificate.validTo) - Date.now() > RENEW_DAYS * DAY_MS && names.every(covers);
  } catch {
    return false; // Cut short by a crash, or not ours: a new one takes its place.
  }
}

/**
 * The self-made certificate of a data directory (`tls/`): made the first time, and again when it nears its end or lacks a
 * name. A browser that was told to trust it goes on doing so until then.
 */
export function keepCertificate(dataDir: string, names: readonly string[]): CertificateFiles {
  const folder = join(dataDir, 'tls');
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  if (isGood(files, names)) return files;
  const { cert, key } = selfSigned(names);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [file, text] of [
    [files.keyFile, key],
    [files.certFile, cert],
  ] as const) {
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return files;
}
