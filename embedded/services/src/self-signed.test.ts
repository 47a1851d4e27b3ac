import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { keepCertificate, selfSigned } from './self-signed.js';

t.test('a self-made certificate proves each of its names to who trusts it, and no other', async (t) => {
  const { cert, key } = selfSigned(['localhost', 'ringwire.example', '127.0.0.1']);
  const server = createServer({ cert, key });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const reach = async (servername: string): Promise<TLSSocket> => {
    const socket = connect({ host: '127.0.0.1', port, ca: cert, servername });
    t.teardown(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  t.equal((await reach('localhost')).authorized, true);
  t.equal((await reach('ringwire.example')).authorized, true);
  await t.rejects(reach('elsewhere.example'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  const read = new X509Certificate(cert);
  t.equal(read.checkIP('127.0.0.1'), '127.0.0.1');
  t.equal(read.ca, false);
  t.ok(read.verify(read.publicKey));
});

t.test('a data folder keeps its certificate until it lacks a name or cannot be read', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringwire-certificate-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const serial = (names: string[]): string => {
    const { certFile } = keepCertificate(dataDir, names);
    return new X509Certificate(readFileSync(certFile)).serialNumber;
  };
  const first = serial(['localhost', '127.0.0.1']);
  t.equal(serial(['localhost', '127.0.0.1']), first);
  const second = serial(['localhost', '127.0.0.1', '192.0.2.7']);
  t.not(second, first);
  const { certFile, keyFile } = keepCertificate(dataDir, ['localhost']);
  t.equal(statSync(keyFile).mode & 0o777, 0o600);
  writeFileSync(certFile, 'rubbish');
  t.not(serial(['localhost']), second);
});
