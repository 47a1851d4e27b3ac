import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Certificate } from './tls-settings.js';

/** An authority made for a test, with the files that it wrote; all are removed at the end of the test. */
export interface TestAuthority {
  /** The authority's own certificate (PEM). */
  ca: string;
  /** A certificate for a name and an address, as text and as files. */
  issue(name: string, address?: string): Certificate & { certFile: string; keyFile: string };
  caFile: string;
  /** A certificate for a name and 127.0.0.1 that nobody but itself vouches for. */
  selfSigned(name: string): Certificate;
}

/** Makes an authority with the `openssl` program. */
export function makeAuthority(t: { teardown(fn: () => unknown): void }): TestAuthority {
  const directory = mkdtempSync(join(tmpdir(), 'ringwire-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe', cwd: directory });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
  const issue: TestAuthority['issue'] = (name, address = '127.0.0.1') => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(file(`${name}.ext`), `subjectAltName=DNS:${name},IP:${address}\n`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signing);
    const [certFile, keyFile] = [file(`${name}.pem`), file(`${name}.key`)];
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
  };
  const selfSigned: TestAuthority['selfSigned'] = (name) => {
    const names = ['-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`];
    const [key, cert] = [`${name}-own.key`, `${name}-own.pem`];
    openssl('req', '-x509', ...newKey, '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`, ...names);
    return { cert: readFileSync(file(cert), 'utf8'), key: readFileSync(file(key), 'utf8') };
  };
  return { selfSigned, ca: readFileSync(file('ca.pem'), 'utf8'), caFile: file('ca.pem'), issue };
}
