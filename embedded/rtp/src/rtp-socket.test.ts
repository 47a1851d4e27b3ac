import dgram from 'node:dgram';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { writeRtp } from './packet.js';
import { RtpSocket } from './rtp-socket.js';

function rtp(sequence: number): Buffer {
  const buffer = Buffer.alloc(172);
  writeRtp(buffer, { marker: false, payloadType: 0, sequence, timestamp: sequence * 160, ssrc: 1 }, Buffer.alloc(160));
  return buffer;
}

async function peer(t: Test): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket;
}

t.test('the first steady source is answered; others and garbage are counted', async (t) => {
  const { socket, heard, until } = await listener(t);
  const [first, second] = [await peer(t), await peer(t)];
  socket.setRemote('127.0.0.1', 9);
  first.send(Buffer.from('garbage'), socket.port, '127.0.0.1');
  first.send(rtp(1), socket.port, '127.0.0.1');
  first.send(rtp(2), socket.port, '127.0.0.1');
  await until(() => heard.length === 1);
  t.same(socket.remote, { host: '127.0.0.1', port: first.address().port });
  const answered = once(first, 'message');
  socket.send(rtp(9));
  const [answer] = (await answered) as [Buffer];
  t.equal(answer.readUInt16BE(2), 9);
  second.send(rtp(50), socket.port, '127.0.0.1');
  first.send(rtp(3), socket.port, '127.0.0.1');
  await until(() => heard.length === 2);
  t.same(heard, [2, 3]);
  t.match(socket, { badPackets: 1, strayPackets: 2, packetsReceived: 2, packetsSent: 1 });
  socket.setRemote('127.0.0.1', 9);
  t.ok(socket.isLatched, 'the same address again keeps the latch');
  t.equal(socket.remote?.port, first.address().port);
  const third = await peer(t);
  socket.setRemote('127.0.0.1', third.address().port);
  t.notOk(socket.isLatched, 'a new address lifts it');
  first.send(rtp(4), socket.port, '127.0.0.1');
  first.send(rtp(5), socket.port, '127.0.0.1');
  third.send(rtp(70), socket.port, '127.0.0.1');
  await until(() => heard.length === 3);
  t.same(heard, [2, 3, 70], 'the former source does not latch again, the named one does at once');
});

t.test('the source that SDP names takes the place of strangers who sent first, and keeps it', async (t) => {
  for (const packets of [2, 100]) {
    const { socket, heard, until } = await listener(t);
    const [caller, stranger] = [await peer(t), await peer(t)];
    socket.setRemote('127.0.0.1', caller.address().port);
    for (let i = 0; i < packets; i++) stranger.send(rtp(i), socket.port, '127.0.0.1');
    await until(() => heard.length === packets - 1);
    t.equal(socket.remote?.port, stranger.address().port, 'it might be the caller behind NAT');
    caller.send(rtp(500), socket.port, '127.0.0.1');
    await until(() => heard.length === packets);
    t.equal(heard.at(-1), 500);
    t.equal(socket.remote?.port, caller.address().port);
    const strays = socket.strayPackets;
    for (let i = 0; i < 10; i++) stranger.send(rtp(packets + i), socket.port, '127.0.0.1');
    await until(() => socket.strayPackets === strays + 10);
    t.equal(socket.remote?.port, caller.address().port, `a stranger of ${packets} packets stays out`);
  }
});

t.test('a source that SDP does not name loses its place by silence, unless it has sent for a second', async (t) => {
  for (const packets of [2, 60]) {
    const { socket, heard, until } = await listener(t);
    const [stranger, caller] = [await peer(t), await peer(t)];
    // An address behind a NAT: nobody ever sends from there.
    socket.setRemote('127.0.0.9', 40_000);
    const say = async (from: dgram.Socket, sequence: number): Promise<void> => {
      const arrived = socket.packetsReceived + socket.strayPackets + 2;
      from.send(rtp(sequence), socket.port, '127.0.0.1');
      from.send(rtp(sequence + 1), socket.port, '127.0.0.1');
      await until(() => socket.packetsReceived + socket.strayPackets === arrived);
    };
    for (let i = 0; i < packets; i += 2) await say(stranger, i);
    t.equal(heard.length, packets - 1);
    await setTimeout(250);
    await say(caller, 500);
    const isReplaced = packets === 2;
    t.equal(socket.remote?.port, (isReplaced ? caller : stranger).address().port, `after ${packets} packets`);
    if (isReplaced) continue;
    // A re-INVITE with the same address: the source that has the place keeps it while it sends, and loses it by silence.
    socket.setRemote('127.0.0.9', 40_000);
    await say(stranger, packets);
    await say(caller, 600);
    t.equal(socket.remote?.port, stranger.address().port);
    await setTimeout(250);
    await say(caller, 700);
    t.equal(socket.remote?.port, caller.address().port);
  }
});

t.test('a range gives its even ports until it is used up and takes them back', async (t) => {
  const range = { minPort: 17411, maxPort: 17415 };
  const sockets = [await RtpSocket.bind(range), await RtpSocket.bind(range)];
  t.same(sockets.map(({ port }) => port).sort(), [17412, 17414]);
  await t.rejects(RtpSocket.bind(range), { code: 'rtp/ports-exhausted' });
  await Promise.all(sockets.map((socket) => socket.close()));
  const again = await RtpSocket.bind(range);
  await again.close();
});

t.test('sending to an impossible address is counted, not thrown', async (t) => {
  const socket = await RtpSocket.bind();
  socket.send(rtp(1));
  t.equal(socket.packetsSent, 0, 'no peer is known yet');
  socket.setRemote('no.such.host.invalid', 4000);
  socket.send(rtp(1));
  await socket.close();
  socket.send(rtp(2));
  t.equal(socket.packetsSent, 1);
});

/** A socket that tells what it heard, and waits for it. */
async function listener(
  t: Test,
  options: Partial<Parameters<typeof RtpSocket.bind>[0]> = {},
): Promise<{ socket: RtpSocket; heard: number[]; until: (condition: () => boolean) => Promise<void> }> {
  const heard: number[] = [];
  const socket = await RtpSocket.bind({ ...options, onPacket: (packet) => heard.push(packet.sequence) });
  t.teardown(() => socket.close());
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await setTimeout(2);
  };
  return { socket, heard, until };
}

t.test('an attacker who sends to the port of a call is neither heard nor answered', async (t) => {
  const { socket, heard, until } = await listener(t);
  const [caller, attacker] = [await peer(t), await peer(t)];
  socket.setRemote('127.0.0.1', caller.address().port);
  caller.send(rtp(1), socket.port, '127.0.0.1');
  await until(() => heard.length === 1);
  for (let i = 0; i < 200; i++) attacker.send(rtp(1000 + i), socket.port, '127.0.0.1');
  await until(() => socket.strayPackets === 200);
  caller.send(rtp(2), socket.port, '127.0.0.1');
  await until(() => heard.length === 2);
  t.same(heard, [1, 2]);
  t.equal(socket.remote?.port, caller.address().port);
});

t.test('a source that was silent for long may be replaced, where that is wanted', async (t) => {
  for (const relatchAfterMs of [0, 60]) {
    const { socket, heard, until } = await listener(t, { relatchAfterMs });
    const [before, after] = [await peer(t), await peer(t)];
    socket.setRemote('127.0.0.1', before.address().port);
    before.send(rtp(1), socket.port, '127.0.0.1');
    await until(() => heard.length === 1);
    after.send(rtp(2), socket.port, '127.0.0.1');
    await until(() => socket.strayPackets === 1);
    t.same(heard, [1], 'not while it is heard');
    await setTimeout(100);
    for (const sequence of [10, 11, 12]) after.send(rtp(sequence), socket.port, '127.0.0.1');
    await until(() => socket.strayPackets + socket.packetsReceived === 5);
    t.same(heard, relatchAfterMs === 0 ? [1] : [1, 11, 12]);
    t.equal(socket.remote?.port, (relatchAfterMs === 0 ? before : after).address().port);
  }
});

t.test('the peer of the call that had the port before is not heard, however long it goes on', async (t) => {
  const old = await peer(t);
  const { socket, heard, until } = await listener(t, { formerPeer: { host: '127.0.0.1', port: old.address().port } });
  socket.setRemote('127.0.0.1', 9);
  for (let i = 0; i < 50; i++) old.send(rtp(i), socket.port, '127.0.0.1');
  await until(() => socket.strayPackets === 50);
  const next = await peer(t);
  next.send(rtp(200), socket.port, '127.0.0.1');
  next.send(rtp(201), socket.port, '127.0.0.1');
  await until(() => heard.length > 0);
  t.same(heard, [201], 'the new peer, from wherever it comes');
});
