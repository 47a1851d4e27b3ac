import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@ringwire/common';
import t from 'tap';
import { certificateOf, readBrowserEdge } from './browser-edge.js';

const folder = mkdtempSync(join(tmpdir(), 'ringwire-browser-edge-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => {
  writeFileSync(join(folder, name), '');
  return join(folder, name);
};

t.test('browsers of this machine are served with a certificate of the data folder', async (t) => {
  const edge = readBrowserEdge({});
  t.same(edge, { host: '127.0.0.1' });
  t.equal(certificateOf(edge, folder).certFile, join(folder, 'tls/cert.pem'));
});

t.test('an operator names address and certificate', async (t) => {
  const [certFile, keyFile] = [file('a.pem'), file('a.key')];
  const edge = readBrowserEdge({
    WEBRTC_ADDRESS: '192.0.2.1',
    WEBRTC_CERT_FILE: certFile,
    WEBRTC_KEY_FILE: keyFile,
  });
  t.equal(edge.host, '192.0.2.1');
  t.same(certificateOf(edge, folder), { certFile, keyFile });
});

t.test('what is wrong with them is said at once, all of it', async (t) => {
  try {
    readBrowserEdge({ WEBRTC_ADDRESS: 'example.com', WEBRTC_CERT_FILE: '/nowhere/cert.pem' });
    t.fail('it was taken');
  } catch (error) {
    t.ok(error instanceof ConfigError);
    t.same(
      (error as ConfigError).problems.map(({ variable }) => variable),
      ['WEBRTC_ADDRESS', 'WEBRTC_CERT_FILE', 'WEBRTC_KEY_FILE'],
    );
  }
});
