import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

const ringwire = await openPlatform(t);
const { instance } = ringwire;
const pids = { ...instance.processes };

/** Sends datagrams from a socket of its own. */
async function sendDatagrams(port: number, host: string, ...datagrams: Buffer[]): Promise<void> {
  const socket = dgram.createSocket('udp4');
  for (const datagram of datagrams) {
    await new Promise<void>((resolve, reject) =>
      socket.send(datagram, port, host, (error) => (error ? reject(error) : resolve())),
    );
  }
  socket.close();
}

/** Writes to a TCP port and returns what came back until the other side closed or was quiet. */
async function converse(port: number, host: string, message: string | Buffer, quietMs = 1_000): Promise<string> {
  const socket = net.connect(port, host);
  socket.on('error', () => socket.destroy()); // A reset is a legitimate answer to garbage.
  await once(socket, 'connect');
  let answer = '';
  socket.on('data', (data) => {
    answer += data.toString('latin1');
  });
  socket.setTimeout(quietMs, () => socket.destroy());
  socket.write(message);
  await once(socket, 'close');
  return answer;
}

/** Waits until the counters that fit have grown together. */
async function counts(process: string, pattern: RegExp, act: () => Promise<unknown>): Promise<void> {
  const read = async (): Promise<number> => (await ringwire.metrics(process)).sum(pattern) ?? 0;
  const before = await read();
  await act();
  await eventually(
    `${process} counts ${pattern}`,
    async () => ({
      now: await read(),
      all: (await ringwire.metrics(process)).matching(/error|bad|garbage|invalid|malformed|oversize|drop/i),
    }),
    ({ now }) => now > before,
    { timeoutMs: 5_000 },
  );
}

const BAD_FRAMES = /^sip_server_bad_control_frames_total/;
const SIP_GARBAGE = /^sip_parse_errors_total/;
const { host, port } = instance.sip;

t.test('a garbage datagram is dropped and counted', async (t) => {
  await counts('sip-server-edge', SIP_GARBAGE, () => sendDatagrams(port, host, randomBytes(200)));
  t.pass('counted');
});

t.test('a datagram of 64 KiB is dropped and counted', async (t) => {
  const huge = Buffer.alloc(65_507, 'INVITE sip:1@127.0.0.1 SIP/2.0\r\n');
  await counts('sip-server-edge', SIP_GARBAGE, () => sendDatagrams(port, host, huge));
  t.pass('counted');
});

t.test('a truncated SIP message is dropped or answered, and counted', async (t) => {
  const truncated = Buffer.from(
    'INVITE sip:15550102@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKcut\r\nFrom: <sip:1@127.0.0.1>;tag=1\r\nTo: <sip:15550102@12',
  );
  await counts('sip-server-edge', SIP_GARBAGE, () => sendDatagrams(port, host, truncated));
  t.pass('counted');
});

t.test('SIP over TCP with a broken Content-Length is refused and counted', async (t) => {
  const message = `OPTIONS sip:${host} SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n`;
  await counts('sip-server-edge', SIP_GARBAGE, () => converse(port, host, message));
  t.pass('counted');
});

for (const side of ['edge', 'core'] as const) {
  t.test(`${side}: a control message with a wrong length closes the connection and is counted`, async (t) => {
    const control = instance.drachtio[side];
    await counts(`sip-server-${side}`, BAD_FRAMES, () => converse(control.port, control.host, 'abc#nonsense'));
    await counts(`sip-server-${side}`, BAD_FRAMES, () => converse(control.port, control.host, '999999999#x'));
    t.pass('counted');
  });
}

t.test('a broken event-socket command gets an error and is counted', async (t) => {
  const { host, port, password } = instance.freeswitch;
  await counts('media-server', /esl_bad_commands_total/, async () => {
    const answer = await converse(port, host, `auth ${password}\n\nnonsense with no meaning\n\n`);
    t.match(answer, /-ERR/, 'an error comes back');
  });
  await converse(port, host, Buffer.concat([randomBytes(4_096), Buffer.from('\n\n')]));
});

t.test('junk on HTTP is answered 4xx or closed', async (t) => {
  const urls = [...Object.values(instance.metrics), instance.api.url];
  for (const url of urls) {
    const { hostname, port } = new URL(url);
    const answer = await converse(Number(port), hostname, Buffer.concat([randomBytes(64), Buffer.from('\r\n\r\n')]));
    t.match(answer, /^(HTTP\/1\.1 4\d\d|$)/, url);
  }
  const response = await fetch(new URL('/v1/Applications', instance.api.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${instance.api.key}`, 'content-type': 'application/json' },
    body: '{"name": ',
  });
  t.equal(response.status, 400);
});

t.test('nothing has crashed, and the next call works', async (t) => {
  const { number } = await ringwire.line([{ verb: 'answer' }, { verb: 'hangup' }]);
  const { status } = await (await ringwire.call(number)).finished;
  t.equal(status, 200);
  t.strictSame(instance.processes, pids, 'every process is the one that was started');
});
