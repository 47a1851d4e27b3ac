import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { connectApp, notDrachtio, sdp, startPhone, startServer, until, uriOf } from '../test-rig.js';

/** The least there is, room for some 580 messages of the flood below. */
const CAPTURE_BYTES = '1048576';

for (const answer of ['drop', '503']) {
  t.test(
    `capture: what the source limits turn away (${answer}) does not push a genuine call out (not drachtio)`,
    notDrachtio,
    async (t) => {
      const limits = ['--source-limit', 'requests=40', '--source-limit-answer', answer];
      const server = await startServer(t, [...limits, '--capture-bytes', CAPTURE_BYTES]);
      await connectApp(t, server, (srf) => {
        srf.options((_req, res) => res.send(200));
        srf.invite((req, res) => {
          // An INVITE of the flood may be gone by then; the genuine call is asserted by its caller.
          srf.createUAS(req, res, { localSdp: sdp(1) }).catch(() => {});
        });
      });
      const phone = await startPhone(t);
      const dialog = await phone.invite({ uri: uriOf(server), sdp: sdp(2) }).answered;
      const { callId } = dialog;
      const found = (): string[] =>
        server.observer.ring!.find([callId], Date.now() * 1000).map(({ method, status }) => `${method} ${status}`);
      await until(() => found().includes('ACK 0'));
      const before = found();

      const scanner = createSocket('udp4');
      t.teardown(() => scanner.close());
      scanner.bind(0, '127.0.2.1');
      await once(scanner, 'listening');
      const limited = (): number => Object.values(server.sourceLimits!.limited).reduce((sum, count) => sum + count, 0);
      const { port } = server.layer.addressFor('udp');
      // Waits for each burst to be read, so that the kernel drops none.
      for (let sent = 0; limited() < 2000; ) {
        for (let i = 0; i < 50; i++) scanner.send(options(sent++), port, '127.0.0.1');
        const read = server.layer.counters;
        const seen = (): number => limited() + read.requestsReceived;
        await until(() => seen() >= sent || limited() >= 2000);
      }
      t.same(found(), before, 'every message of the call is still there');
      t.ok(server.observer.ring!.gauges.messages < 600, 'what was turned away is not there');

      await dialog.bye();
      await until(() => found().includes('BYE 200'));
      t.same(found().slice(0, before.length), before);
    },
  );
}

/** A request of the scanner, 900 bytes. */
function options(n: number): Buffer {
  return Buffer.from(
    [
      'OPTIONS sip:1@127.0.0.1 SIP/2.0',
      `Via: SIP/2.0/UDP 127.0.2.1:9;branch=z9hG4bK-flood-${n};rport`,
      'From: <sip:flood@127.0.2.1>;tag=f',
      'To: <sip:1@127.0.0.1>',
      `Call-ID: flood-${n}`,
      'CSeq: 1 OPTIONS',
      `X-Filling: ${'x'.repeat(600)}`,
      'Content-Length: 0',
      '\r\n',
    ].join('\r\n'),
  );
}
