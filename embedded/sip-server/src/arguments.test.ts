import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import { readArguments } from './arguments.js';

t.test('arguments: what drachtio-server takes is taken, short forms too', async (t) => {
  const options = readArguments([
    ...[
      '-c',
      'sip:127.0.0.1:5070;transport=udp',
      '-x',
      '192.0.2.1',
      '-n',
      '10.0.0.0/8',
      '--dns-name',
      'Sip.Example.com',
    ],
    ...['-p', '9023', '--address', '0.0.0.0', '--secret', 'x', '-l', 'notice', '--tcp-keepalive-interval', '0'],
    ...['-a', 'http://127.0.0.1/route', '-m', 'post', '--prometheus-scrape-port', '0.0.0.0:9090', '--mtu', '1400'],
    ...['--user-agent-options-auto-respond', 'probe', '--reject-register-with-no-realm', '--always-send-180'],
    ...['--noconfig', '--stdout', '--memory-debug', '--globally-readable-logs', '--sofia-loglevel', '9'],
  ]);
  t.match(options, {
    listen: [{ transport: 'udp', port: 5070, externalHost: '192.0.2.1', localNets: ['10.0.0.0/8'] }],
    dnsNames: ['sip.example.com'],
    port: 9023,
    address: '0.0.0.0',
    secret: 'x',
    logLevel: 'info',
    keepAliveMs: 0,
    handlers: [{ url: 'http://127.0.0.1/route', method: 'POST', sipMethods: ['*'] }],
    httpPort: 9090,
    httpAddress: '0.0.0.0',
    maxDatagramBytes: 1400,
    policy: { optionsUserAgent: 'probe', rejectsRegisterWithoutRealm: true, ringsAlways: true },
  });
  t.match(readArguments(['--prometheus-scrape-port', '9090']), { httpPort: 9090, httpAddress: '127.0.0.1' });
});

t.test('arguments: what is not supported is refused and says why', async (t) => {
  for (const [argv, reason] of [
    [['-f', '/etc/drachtio.conf.xml'], /--file: there is no configuration file/],
    [['--daemon'], /--daemon: run it under a process manager/],
    [['--user', 'drachtio'], /--user: start it as that user/],
    [['--blacklist-redis-address', '127.0.0.1'], /--blacklist-redis-address: not supported; see --source-limit/],
    [['--tls-port', '9024'], /--tls-port: needs --cert-file and --key-file/],
    [['--tcp-keepalive-interval', 'often'], /--tcp-keepalive-interval: seconds/],
    [['--http-method', 'PUT'], /--http-method: GET or POST/],
    [['--http-handler', 'INVITE=ftp://x'], /--http-handler: an http or https URL/],
    [['--http-handler', 'tcp://x'], /tcp:\/\/host:port/],
    [['--http-handler', 'tcp://x:1;transport=tls'], /tcp:\/\/host:port/],
    [['--prometheus-scrape-port', 'x:y'], /--prometheus-scrape-port: a port/],
    [['--min-tls-version', '1.4'], /--min-tls-version: 1.2 or 1.3/],
    [['--min-tls-version', '2', '--cert-file', 'a', '--key-file', 'b'], /--cert-file|--min-tls-version/],
  ] as const) {
    t.throws(() => readArguments(argv), { code: 'sip-server/argument', message: reason });
  }
});

t.test('arguments: several request-handlers, each for its methods', async (t) => {
  const { handlers } = readArguments([
    ...['--http-handler', 'register,Subscribe=https://a.test/r?x=1', '--http-handler', 'tcp://127.0.0.1:3000'],
    ...['--http-handler-methods', 'invite'],
  ]);
  t.same(handlers, [
    { url: 'https://a.test/r?x=1', method: 'GET', sipMethods: ['REGISTER', 'SUBSCRIBE'] },
    { url: 'tcp://127.0.0.1:3000', method: 'GET', sipMethods: ['INVITE'] },
  ]);
});

t.test('arguments: TLS versions before 1.2 are raised to it, ciphers are handed on', async (t) => {
  const { certFile, keyFile } = makeAuthority(t).issue('sip.test');
  const files = ['--cert-file', certFile, '--key-file', keyFile, '--tls-cipherlist', 'ECDHE+AESGCM'];
  for (const [given, meant] of [
    ['1.0', 'TLSv1.2'],
    ['1.1', 'TLSv1.2'],
    ['1.2', 'TLSv1.2'],
    ['1.3', 'TLSv1.3'],
  ]) {
    t.match(readArguments([...files, '--min-tls-version', given!]).tls, { minVersion: meant, ciphers: 'ECDHE+AESGCM' });
  }
});

t.test("arguments: drachtio-server's environment variables count where the command line says nothing", async (t) => {
  const env = {
    DRACHTIO_ADMIN_TCP_PORT: '9100',
    DRACHTIO_SECRET: '-from env',
    DRACHTIO_HTTP_HANDLER_URI: 'http://127.0.0.1/env',
    DRACHTIO_REJECT_REGISTER_WITH_NO_REALM: '1',
    DRACHTIO_LOGLEVEL: '',
    DRACHTIO_HOMER_ADDRESS: '127.0.0.1',
    DRACHTIO_HOMER_PORT: '9061',
    DRACHTIO_HOMER_ID: '7',
    PORT: '1',
  };
  t.match(readArguments([], env), {
    port: 9100,
    secret: '-from env',
    handlers: [{ url: 'http://127.0.0.1/env' }],
    policy: { rejectsRegisterWithoutRealm: true },
  });
  const given = readArguments(['--port', '9200', '--secret=x', '--http-handler', 'http://127.0.0.1/flag'], env);
  t.match(given, { port: 9200, secret: 'x' });
  t.same(
    given.handlers.map(({ url }) => url),
    ['http://127.0.0.1/flag'],
  );
});
