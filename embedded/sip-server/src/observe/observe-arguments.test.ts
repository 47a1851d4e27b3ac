import t from 'tap';
import { readArguments } from '../arguments.js';
import { ask, startObserved } from './observe-rig.js';

t.test('arguments: drachtio’s Homer flags, with a protocol and a key', async (t) => {
  const { homer } = readArguments(['--homer', '192.0.2.7:9061', '--homer-id', '12', '--homer-key', 'k']).observe;
  t.same(homer, { target: { host: '192.0.2.7', port: 9061, protocol: 'udp' }, agentId: 12, authKey: 'k' });
  t.equal(readArguments(['-y', 'h', '-z', '1', '--homer-protocol=tls']).observe.homer?.target.protocol, 'tls');
});

t.test('arguments: nothing is watched without a flag that asks for it', async (t) => {
  t.same(readArguments([]).observe, { capture: undefined, homer: undefined, trace: undefined });
  t.match(readArguments(['--http-port', '0']).observe.capture, { maxBytes: 67_108_864, maxAgeMs: 3_600_000 });
  const { server } = await startObserved(t, ['--capture-bytes', '0']);
  t.ok(server.observer.tap, 'metrics are read from it');
});

t.test('arguments: wrong ones are refused with their name', async (t) => {
  const cases: Array<[RegExp, string[]]> = [
    [/--homer-id is missing/, ['--homer', 'h']],
    [/--homer is missing/, ['--homer-id', '1']],
    [/--homer-id/, ['--homer', 'h', '--homer-id', '0']],
    [/--homer-id/, ['--homer', 'h', '--homer-id', '4294967296']],
    [/--homer:/, ['--homer', 'h:0', '--homer-id', '1']],
    [/--homer-protocol/, ['--homer-protocol', 'sctp']],
    [/--capture-bytes/, ['--http-port', '0', '--capture-bytes', '100']],
    [/--capture-seconds/, ['--capture-seconds', '-1']],
    [/--capture-net/, ['--capture-net', '10.0.0.0/33']],
    [/--trace:/, ['--trace=loud']],
    [/--trace-filter/, ['--trace-filter', 'a']],
  ];
  for (const [message, argv] of cases)
    t.throws(() => readArguments(argv), { name: 'ArgumentError', message }, argv.join(' '));
});

t.test('arguments: a ladder is not disturbed by log lines', async (t) => {
  t.equal(readArguments(['--trace']).logLevel, 'warn');
  t.equal(readArguments(['--trace=full', '--loglevel', 'debug']).logLevel, 'debug');
  t.equal(readArguments([]).logLevel, undefined);
});

t.test('/calls: only this machine and the networks of --capture-net may ask', async (t) => {
  const { mayAsk } = readArguments(['--http-port', '0', '--capture-net', '192.0.2.0/24']).observe.capture!;
  t.same(['127.0.0.1', '::1', '::ffff:127.0.0.1', '192.0.2.3', '192.0.3.3', '::2', ''].map(mayAsk), [
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  const { server } = await startObserved(t);
  t.equal((await ask(server, '/calls')).status, 200);
});
