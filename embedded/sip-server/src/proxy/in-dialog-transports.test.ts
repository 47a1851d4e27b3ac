import { once } from 'node:events';
import { createUserAgent, type Dialog, type SipMessage } from '@ringwire/sip';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import { browser } from '../test-browser.js';
import { notDrachtio, sdp, startPhone, until } from '../test-rig.js';
import { startProxying } from './test-targets.js';

t.test(
  'proxy: Record-Route: a browser calls a telephone over UDP, whose BYE comes over its WebSocket, WS or WSS (not drachtio)',
  notDrachtio,
  async (t) => {
    const callee = await startPhone(t);
    const dialogs: Dialog[] = [];
    callee.onInvite((call) => dialogs.push(call.accept(sdp(9))!));
    const authority = makeAuthority(t);
    const { certFile, keyFile } = authority.issue('sip.ringwire.test');
    const flags = ['udp', 'ws', 'wss'].flatMap((transport) => ['--contact', `sip:127.0.0.1:0;transport=${transport}`]);
    flags.push('--cert-file', certFile, '--key-file', keyFile);
    const { server } = await startProxying(t, callee.contactUri(), { remainInDialog: true }, { flags });
    for (const transport of ['ws', 'wss'] as const) {
      const { port } = server.layer.addressFor(transport);
      const ca = transport === 'wss' ? authority.ca : undefined;
      const phone = await browser(t, `${transport}://127.0.0.1:${port}`, ca);
      const call = { 'Call-ID': `over-${transport}` };
      phone.send(phone.request('INVITE', call, sdp(1)));
      const ok = await phone.received((message) => message.status === 200);
      const recorded = ok.getList('Record-Route');
      t.match(recorded[1], new RegExp(`;transport=${transport};lr`));
      const ack = phone.request('ACK', { ...call, To: ok.get('To')! });
      ack.uri = callee.contactUri();
      for (const route of recorded.reverse()) ack.add('Route', route);
      const dialog = dialogs.shift()!;
      const acknowledged = once(dialog, 'ack');
      phone.send(ack);
      t.equal(((await acknowledged) as [SipMessage])[0].getList('Via').length, 2);
      void dialog.bye();
      const bye = await phone.received((message) => message.method === 'BYE');
      // RFC 7118: over WSS, too, browsers write ws.
      t.match(bye.uri, /\.invalid;transport=ws$/);
      t.match(bye.topVia?.transport, transport.toUpperCase());
      t.equal(bye.getList('Via').length, 2);
      phone.socket.terminate();
    }
  },
);

t.test(
  'proxy: Record-Route: sips all the way is recorded as sips, TLS to UDP on both sides (not drachtio)',
  notDrachtio,
  async (t) => {
    const authority = makeAuthority(t);
    const { cert, key, certFile, keyFile } = authority.issue('sip.ringwire.test');
    const listen = [{ transport: 'tls' as const, host: '127.0.0.1', port: 0 }];
    const secure = async () => {
      const phone = await createUserAgent({ listen, tls: { cert, key, ca: authority.ca }, timers: { T1: 20 } });
      t.teardown(() => phone.stop());
      return phone;
    };
    const callee = await secure();
    const plain = await startPhone(t);
    const taken: Dialog[] = [];
    for (const phone of [callee, plain]) phone.onInvite((call) => taken.push(call.accept(sdp(9))!));
    const flags = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--contact', 'sips:127.0.0.1:0;transport=tls'];
    flags.push('--cert-file', certFile, '--key-file', keyFile, '--tls-ca-file', authority.caFile);
    const destination = (user: string): string =>
      user === 'secure' ? `sips:a@127.0.0.1:${callee.addresses[0]!.port}` : plain.contactUri();
    const { server } = await startProxying(
      t,
      (req) => destination(req.calledNumber),
      { remainInDialog: true },
      { flags },
    );
    const caller = await secure();
    const { port } = server.layer.addressFor('tls');
    for (const [uri, pattern] of [
      [`sips:secure@127.0.0.1:${port}`, [/^<sips:127\.0\.0\.1:\d+;lr/]],
      [
        `sip:plain@127.0.0.1:${port};transport=tls`,
        [/^<sip:127\.0\.0\.1:\d+;lr/, /^<sip:127\.0\.0\.1:\d+;transport=tls;lr/],
      ],
    ] as const) {
      const call = caller.invite({ uri, sdp: sdp(1) });
      const [dialog, ok] = (await once(call, 'answered')) as [Dialog, SipMessage];
      t.match(ok.getList('Record-Route'), pattern);
      await until(() => taken.length === 1);
      const info = once(dialog, 'info');
      t.equal((await taken[0]!.info({ contentType: 'text/plain', body: 'hi' }))?.status, 200);
      t.equal(((await info) as [SipMessage])[0].getList('Via').length, 2);
      t.equal((await dialog.bye())?.status, 200);
      taken.length = 0;
    }
  },
);
