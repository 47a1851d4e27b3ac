import { execFileSync } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSigningKey } from '../stir/signer.js';

/** Where clean-up is registered: a tap test. */
interface Teardown {
  teardown(fn: () => unknown): void;
}

/** A certificate that may sign calls. */
export interface TestSigner {
  /** The signer's certificate and the intermediate one (PEM). */
  chainPem: string;
  /** The signer's certificate alone. */
  leafPem: string;
  key: KeyObject;
  keyPem: string;
}

/** Whose numbers a certificate is for. */
export interface SignerScope {
  /** Service provider code; four characters, as OCNs are. */
  spc?: string;
  /** One number. */
  number?: string;
  /** More lines of OpenSSL's extension file. */
  extensions?: readonly string[];
  curve?: string;
}

/** An authority for callers' certificates: a root, an intermediate, and signers below it. */
export interface StirAuthority {
  rootPem: string;
  rootFile: string;
  issue(scope?: SignerScope): TestSigner;
  /** A certificate for 127.0.0.1's web server, by the same root. */
  webServer(): { cert: string; key: string };
}

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');
const byte = (value: number): string => value.toString(16).padStart(2, '0');
const der = (tag: string, contents: string): string => `${tag}${byte(contents.length / 2)}${contents}`;

/** TNAuthList (RFC 8226 §9) of one entry, in hexadecimal DER. */
export function tnAuthListDer({ spc, number }: SignerScope): string {
  const entry = spc === undefined ? der('a2', der('16', hex(number ?? ''))) : der('a0', der('16', hex(spc)));
  return der('30', entry);
}

/** Makes an authority with the `openssl` program; its files go away with the test. Certificates are valid for two days. */
export function makeStirAuthority(t: Teardown): StirAuthority {
  const directory = mkdtempSync(join(tmpdir(), 'ringwire-stir-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe', cwd: directory });
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  const newKey = (curve: string): string[] => ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-nodes'];
  const p256 = newKey('prime256v1');
  openssl('req', '-x509', ...p256, '-keyout', 'root.key', '-out', 'root.pem', '-days', '2', '-subj', '/CN=Test Root');
  let issued = 0;
  const sign = (name: string, by: string, curve: string, extensions: readonly string[]): void => {
    writeFileSync(join(directory, `${name}.ext`), `${extensions.join('\n')}\n`);
    openssl('req', ...newKey(curve), '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=SHAKEN ${name}`);
    const issuer = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...issuer, '-extfile', `${name}.ext`);
  };
  sign('middle', 'root', 'prime256v1', [
    'basicConstraints=critical,CA:TRUE,pathlen:0',
    'keyUsage=critical,keyCertSign',
  ]);
  return {
    rootPem: read('root.pem'),
    rootFile: join(directory, 'root.pem'),
    issue(scope = {}) {
      const name = `signer${++issued}`;
      const isScoped = scope.spc !== undefined || scope.number !== undefined;
      const list = isScoped ? [`1.3.6.1.5.5.7.1.26=DER:${tnAuthListDer(scope)}`] : [];
      sign(name, 'middle', scope.curve ?? 'prime256v1', [
        'basicConstraints=CA:FALSE',
        'keyUsage=critical,digitalSignature',
        ...list,
        ...(scope.extensions ?? []),
      ]);
      const [leafPem, keyPem] = [read(`${name}.pem`), read(`${name}.key`)];
      const key = scope.curve === undefined ? readSigningKey(keyPem) : (undefined as never);
      return { leafPem, keyPem, key, chainPem: `${leafPem}${read('middle.pem')}` };
    },
    webServer() {
      sign('web', 'root', 'prime256v1', ['subjectAltName=DNS:localhost,IP:127.0.0.1']);
      return { cert: read('web.pem'), key: read('web.key') };
    },
  };
}

/** Answers a request for a certificate. */
export type CertificateAnswer = (response: ServerResponse) => void;

/** A certificate repository on loopback. */
export interface CertificateServer {
  port: number;
  /** Paths that were asked for, in order. */
  requests: string[];
  /** Says what a path answers; its URL. */
  publish(path: string, answer: string | CertificateAnswer, headers?: Record<string, string>): string;
}

/** Starts one; it goes away with the test. */
export async function startCertificateServer(t: Teardown, authority: StirAuthority): Promise<CertificateServer> {
  const answers = new Map<string, CertificateAnswer>();
  const requests: string[] = [];
  const server: Server = createServer(authority.webServer(), (request, response) => {
    requests.push(request.url ?? '');
    const answer = answers.get(request.url ?? '');
    if (answer) answer(response);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    requests,
    publish(path, answer, headers = {}) {
      answers.set(
        path,
        typeof answer === 'function' ? answer : (response) => response.writeHead(200, headers).end(answer),
      );
      return `https://127.0.0.1:${port}${path}`;
    },
  };
}
