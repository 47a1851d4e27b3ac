import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createUserAgent } from '@ringwire/sip';
import t from 'tap';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`process: says when it is ready and where, ends with 0 on ${signal} with clients connected`, async (t) => {
    const flags = ['--contact', 'sip:127.0.0.1:0', '--port', '0', '--http-port', '0', '--loglevel', 'info'];
    const child = fork(MAIN, flags, { silent: true });
    t.teardown(() => child.kill('SIGKILL'));
    let log = '';
    child.stdout?.on('data', (chunk) => {
      log += String(chunk);
    });
    const [ready] = await once(child, 'message');
    t.match(ready, { type: 'ready', contacts: [/^sip:127\.0\.0\.1:\d+;transport=udp$/, /;transport=tcp$/] });
    const control = connect(ready.controlPort, '127.0.0.1');
    control.on('error', () => control.destroy());
    await once(control, 'connect');
    const phone = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
    t.teardown(() => phone.stop());
    t.equal((await phone.request({ method: 'OPTIONS', uri: ready.contacts[0] }))?.status, 503);
    t.equal((await fetch(`http://127.0.0.1:${ready.httpPort}/health`)).status, 200);
    child.kill(signal);
    const [status] = await once(child, 'exit');
    t.equal(status, 0);
    t.match(log, /"msg":"ready"/);
  });
}

t.test('process: a wrong command line is explained and ends with 2', async (t) => {
  const child = fork(MAIN, ['--contact', 'sip:127.0.0.1:0;transport=tls'], { silent: true });
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk);
  });
  const [status] = await once(child, 'close');
  t.equal(status, 2);
  t.match(errors, /tls needs --cert-file[\s\S]*--contact URI/);
});

t.test(
  'process: an address that cannot be listened on is named with its flag in one sentence, and ends with 1',
  async (t) => {
    const busy = createServer().listen(0, '127.0.0.1');
    t.teardown(() => busy.close());
    await once(busy, 'listening');
    const { port } = busy.address() as AddressInfo;
    const free = ['--contact', 'sip:127.0.0.1:0'];
    for (const [flags, said] of [
      [['--contact', 'sip:8.8.8.8:0', '--port', '0'], /^sip-server: --contact: .*8\.8\.8\.8:0 .*EADDRNOTAVAIL.*\n$/],
      [
        ['--contact', `sip:127.0.0.1:${port};transport=tcp`, '--port', '0'],
        /^sip-server: --contact: .*EADDRINUSE.*\n$/,
      ],
      [[...free, '--port', String(port)], /^sip-server: --address, --port: .*EADDRINUSE.*\n$/],
      [
        [...free, '--port', '0', '--http-port', String(port)],
        /^sip-server: --http-address, --http-port: .*EADDRINUSE.*\n$/,
      ],
    ] as const) {
      const child = fork(MAIN, flags, { silent: true });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on('data', (chunk) => {
          output += String(chunk);
        });
      }
      const [status] = await once(child, 'close');
      t.equal(status, 1);
      t.match(output, said);
    }
  },
);
