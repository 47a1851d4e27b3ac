import { createResponse, createUserAgent, type ListenOptions, SipMessage } from '@ringwire/sip';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t, { type Test } from 'tap';
import { readArguments } from './arguments.js';
import type { AppDialog } from './test-app.js';
import { browser } from './test-browser.js';
import { DRACHTIO } from './test-drachtio.js';
import { startPeer } from './test-peer.js';
import { connectApp, heldDialogs, notDrachtio, sdp, startServer, until } from './test-rig.js';

type Browser = Awaited<ReturnType<typeof browser>>;

const WS = ['--contact', 'sip:127.0.0.1:0;transport=ws'];

t.test('ws: a browser registers and its REGISTER names it to the application', async (t) => {
  const server = await startServer(t, WS);
  const seen: unknown[] = [];
  await connectApp(t, server, (srf) => {
    srf.register((req, res) => {
      const { protocol } = req as unknown as { protocol: string };
      seen.push(protocol, req.get('Contact'), req.source_address);
      res.send(200, { headers: { Contact: req.get('Contact') ?? '', Expires: '600' } });
    });
  });
  const url = server.contacts.at(-1)!.replace('sip:', 'ws://').replace(/;.*/, '');
  const phone = await browser(t, url);
  phone.send(phone.request('REGISTER'));
  const ok = await phone.received((message) => message.status === 200);
  t.equal(ok.get('Expires'), '600');
  // As drachtio-server names it: what is beneath the WebSocket.
  t.same(seen, ['tcp', phone.contact, '127.0.0.1']);
});

t.test('ws: a browser calls; requests of the application inside the call come over its connection', async (t) => {
  const server = await startServer(t, WS);
  const dialogs: AppDialog[] = [];
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => dialogs.push(await srf.createUAS(req, res, { localSdp: sdp(2) })));
  });
  const phone = await browser(t, server.contacts.at(-1)!.replace('sip:', 'ws://').replace(/;.*/, ''));
  phone.send(phone.request('INVITE', {}, sdp(1)));
  const ok = await phone.received((message) => message.status === 200);
  t.match(ok.get('Contact'), /^<sip:127\.0\.0\.1:\d+;transport=ws>$/);
  phone.send(phone.request('ACK', { To: ok.get('To')! }));
  await until(() => dialogs.length === 1);
  void dialogs[0]!.destroy();
  const bye = await phone.received((message) => message.method === 'BYE');
  t.match(bye.get('Via'), /^SIP\/2\.0\/WS 127\.0\.0\.1:/);
  t.match(bye.uri, /\.invalid;transport=ws$/);
});

t.test('wss: a browser calls over TLS and is called off over its connection', async (t) => {
  const authority = makeAuthority(t);
  const { certFile, keyFile } = authority.issue('sip.ringwire.test');
  const flags = ['--contact', 'sips:127.0.0.1:0;transport=wss', '--cert-file', certFile, '--key-file', keyFile];
  const server = await startServer(t, [...flags, '--chain-file', authority.caFile]);
  const dialogs: AppDialog[] = [];
  await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => {
      t.equal((req as unknown as { protocol: string }).protocol, 'tcp');
      dialogs.push(await srf.createUAS(req, res, { localSdp: sdp(2) }));
    });
  });
  const url = server.contacts
    .at(-1)!
    .replace(/^sips?:/, 'wss://')
    .replace(/;.*/, '');
  const phone = await browser(t, url, authority.ca);
  phone.send(phone.request('INVITE', {}, sdp(1)));
  const ok = await phone.received((message) => message.status === 200);
  t.match(ok.get('Contact'), /^<sips?:127\.0\.0\.1:\d+;transport=wss>$/);
  phone.send(phone.request('ACK', { To: ok.get('To')! }));
  await until(() => dialogs.length === 1);
  void dialogs[0]!.destroy();
  const bye = await phone.received((message) => message.method === 'BYE');
  t.match(bye.get('Via'), /^SIP\/2\.0\/WSS 127\.0\.0\.1:/);
});

t.test('ws: the application calls a registered browser by the address its REGISTER came from', async (t) => {
  const server = await startServer(t, WS);
  let address = '';
  const srf = await connectApp(t, server, (srf) => {
    srf.register((req, res) => {
      const { source_port: port } = req as unknown as { source_port: string };
      address = `${req.source_address}:${port}`;
      res.send(200);
    });
  });
  const phone = await browser(t, server.contacts.at(-1)!.replace('sip:', 'ws://').replace(/;.*/, ''));
  phone.send(phone.request('REGISTER'));
  await phone.received((message) => message.status === 200);
  const calling = srf.createUAC(`sip:abc@${address};transport=ws`, { localSdp: sdp(1) });
  const invite = await phone.received((message) => message.method === 'INVITE');
  const ok = SipMessage.response(200, 'OK');
  for (const name of ['Via', 'From', 'Call-ID', 'CSeq']) ok.add(name, invite.get(name)!);
  ok.add('To', `${invite.get('To')};tag=them`)
    .add('Contact', phone.contact)
    .setBody(sdp(3), 'application/sdp');
  phone.send(ok);
  const dialog = await calling;
  t.equal(dialog.remote.sdp, sdp(3));
  t.ok(await phone.received((message) => message.method === 'ACK'));
  phone.socket.terminate();
  t.ok(await dialog.destroy().catch((err: unknown) => err), 'a browser that is gone does not hold the BYE up');
  await heldDialogs(server, 0);
});

t.test(
  'the application hears when a connection has ended over which it registered somebody, and of no other (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t, [...WS, '--contact', 'sip:127.0.0.1:0;transport=tcp']);
    const heard: unknown[] = [];
    await connectApp(t, server, (srf) => {
      srf.options((_req, res) => res.send(200));
      srf.register((req, res) => res.send(req.get('To')?.includes('mallory') ? 403 : 200));
      srf.use('notify', (req) => {
        const { source, source_port: port } = req as unknown as { source: string; source_port: number };
        heard.push([source, req.get('Event'), req.get('To'), port, req.get('Via')?.split(' ')[0]]);
      });
    });
    const url = server.contacts[0]!.replace('sip:', 'ws://').replace(/;.*/, '');
    const phone = await browser(t, url);
    phone.send(phone.request('REGISTER', { To: '<sip:mallory@ringwire.test>' }));
    await phone.received((message) => message.status === 403);
    for (const [index, user] of ['alice', 'bob', 'alice'].entries()) {
      const ids = { 'Call-ID': `r${index}`, CSeq: `${index + 1} REGISTER` };
      phone.send(phone.request('REGISTER', { To: `<sip:${user}@ringwire.test>`, ...ids }));
      await phone.received((message) => message.status === 200 && message.get('Call-ID') === `r${index}`);
    }
    const { transport, host, port } = server.layer.addresses[1]!;
    const agent = await createUserAgent({ listen: [{ transport, host: '127.0.0.1', port: 0 }] });
    t.teardown(() => agent.stop());
    const send = (method: string, to: string) =>
      agent.request({ method, uri: 'sip:ringwire.test', to, from: to, destination: { transport, host, port } });
    await send('OPTIONS', '<sip:carol@ringwire.test>');
    t.same([server.bridge.watchedFlows, heard], [2, []]);
    phone.socket.terminate();
    await until(() => heard.length === 2);
    const common = ['application', 'x-ringwire-flow'];
    t.match(heard, [
      [...common, '<sip:alice@ringwire.test>', Number, 'SIP/2.0/WS'],
      [...common, '<sip:bob@ringwire.test>', Number, 'SIP/2.0/WS'],
    ]);
    await send('REGISTER', '<sip:carol@ringwire.test>');
    await agent.stop();
    await until(() => heard.length === 3);
    t.match(heard[2], [...common, '<sip:carol@ringwire.test>', Number, 'SIP/2.0/TCP']);
    t.equal(server.bridge.watchedFlows, 0);
  },
);

t.test(
  'ws: a browser that connects anew is reached by its name once its REGISTER is accepted (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t, WS);
    const srf = await connectApp(t, server, (srf) => {
      srf.register((req, res) =>
        res.send(req.get('To')?.includes('mallory') || req.get('Call-ID') === 'known' ? 200 : 401),
      );
    });
    const url = server.contacts.at(-1)!.replace('sip:', 'ws://').replace(/;.*/, '');
    const registers = async (user: string, callId: string, status: number): Promise<Browser> => {
      const phone = await browser(t, url);
      phone.send(phone.request('REGISTER', { To: `<sip:${user}@ringwire.test>`, 'Call-ID': callId }));
      await phone.received((message) => message.status === status);
      return phone;
    };
    /** Calls the name; the INVITE has to come on this connection. */
    const isReached = async (phone: Browser, subject: string): Promise<void> => {
      const headers = { Subject: subject };
      const calling = srf
        .createUAC(phone.contact.slice(1, -1), { localSdp: sdp(1), headers })
        .catch((err: unknown) => err);
      const invite = await phone.received(
        (message) => message.method === 'INVITE' && message.get('Subject') === subject,
      );
      phone.send(createResponse(invite, 486, undefined, 'them'));
      t.match(await calling, { status: 486 }, subject);
    };
    const first = await registers('alice', 'known', 200);
    // Half open: it is there for the server, but reads nothing.
    first.socket.pause();
    const second = await registers('alice', 'known', 200);
    await isReached(second, 'the new connection');
    const stranger = await registers('alice', 'guessed', 401);
    const otherUser = await registers('mallory', 'own', 200);
    await isReached(second, 'neither who was refused, nor another user');
    const third = await registers('alice', 'known', 200);
    third.socket.terminate();
    await until(() => server.layer.byTransport.connections.ws === 4);
    await isReached(second, 'the one before, when the newest is gone');
    for (const { socket } of [first, second]) socket.terminate();
    await until(() => server.layer.byTransport.connections.ws === 2);
    t.match(await srf.createUAC(first.contact.slice(1, -1), { localSdp: sdp(1) }).catch((err: unknown) => err), {
      status: 503,
    });
    t.same(
      [stranger, otherUser].map(({ socket }) => socket.readyState),
      [1, 1],
    );
  },
);

/** An application that answers calls and calls back whoever registers; a phone over one transport; a call each way. */
async function callBothWays(
  t: Test,
  flags: string[],
  phoneListens: ListenOptions,
  tls?: Parameters<typeof createUserAgent>[0]['tls'],
) {
  const server = await startServer(t, flags);
  const dialogs: AppDialog[] = [];
  const srf = await connectApp(t, server, (srf) => {
    srf.invite(async (req, res) => dialogs.push(await srf.createUAS(req, res, { localSdp: sdp(2) })));
  });
  const phone = await createUserAgent({ listen: [phoneListens], timers: { T1: 20 }, ...(tls ? { tls } : {}) });
  t.teardown(() => phone.stop());
  const seen: Array<string | undefined> = [];
  phone.onInvite((call) => {
    seen.push(call.request.get('Via'), call.request.get('Contact'));
    call.accept(sdp(5));
  });
  const to = server.contacts.at(-1)!;
  const theirs = await phone.invite({ uri: to, sdp: sdp(1) }).answered;
  seen.push(theirs.state.remoteTarget);
  await until(() => dialogs.length === 1);
  t.equal((await dialogs[0]!.request({ method: 'OPTIONS' })).status, 200);
  await dialogs[0]!.destroy();
  const { transport } = phoneListens;
  const ours = await srf.createUAC(phone.contactUri(transport), { localSdp: sdp(4) });
  t.equal(ours.remote.sdp, sdp(5));
  await ours.destroy();
  await heldDialogs(server, 0);
  return { seen, server };
}

async function tlsCalls(t: Test, more: string[] = []): Promise<void> {
  const authority = makeAuthority(t);
  const { cert, key, certFile, keyFile } = authority.issue('sip.ringwire.test');
  const flags = ['--contact', 'sips:127.0.0.1:0;transport=tls', '--cert-file', certFile, '--key-file', keyFile];
  // drachtio-server does not start without a chain.
  flags.push('--chain-file', authority.caFile, '--tls-ca-file', authority.caFile, ...more);
  const listens = { transport: 'tls', host: '127.0.0.1', port: 0 } as const;
  const { seen } = await callBothWays(t, flags, listens, { cert, key, ca: authority.ca });
  t.match(seen, [/^sips?:127\.0\.0\.1:\d+(;transport=tls)?$/, /^SIP\/2\.0\/TLS 127/, /;transport=tls>$/]);
}

t.test('tls: calls in both directions with the certificate of the command line', (t) => tlsCalls(t));

t.test('tls: calls in both directions where peers must show a certificate (not drachtio)', notDrachtio, (t) =>
  tlsCalls(t, ['--tls-require-client-cert']),
);

// drachtio-server writes IPv6 next hops without brackets when it answers over UDP, and ends with SIGSEGV.
for (const transport of DRACHTIO ? (['tcp'] as const) : (['udp', 'tcp'] as const)) {
  t.test(`ipv6: calls in both directions over ${transport}, with brackets in Via, Contact and URI`, async (t) => {
    const flags = ['--contact', `sip:[::1]:0;transport=${transport}`];
    const { seen, server } = await callBothWays(t, flags, { transport, host: '::1', port: 0 });
    t.match(seen, [/^sip:\[::1\]:\d+/, /^SIP\/2\.0\/[TUDCP]{3} \[::1\]:\d+;/, /^<sip:\[::1\]:\d+/]);
    t.match(server.contacts.at(-1), /^sip:\[::1\]:\d+;transport=/);
  });
}

const EXTERNAL = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--external-ip', '203.0.113.7'];

// drachtio-server writes its external address into every Contact.
t.test('external-ip: peers inside the local net do not read it (not drachtio)', notDrachtio, async (t) => {
  const inside = await callBothWays(t, EXTERNAL, { transport: 'udp', host: '127.0.0.1', port: 0 });
  t.match(inside.seen, [/^sip:127\.0\.0\.1:/, /UDP 127\.0\.0\.1:/, /sip:127\.0\.0\.1:/]);
});

t.test(
  'several contacts: what a call came in on is named in Contact, and its BYE leaves from there (not drachtio)',
  notDrachtio,
  async (t) => {
    const flags = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--contact', 'sip:127.0.0.2:0;transport=udp'];
    const server = await startServer(t, flags);
    const dialogs: AppDialog[] = [];
    await connectApp(t, server, (srf) => {
      srf.invite(async (req, res) => dialogs.push(await srf.createUAS(req, res, { localSdp: sdp(2) })));
    });
    const peer = await startPeer(t);
    for (const contact of server.contacts) {
      const place = /127\.0\.0\.\d:\d+/.exec(contact)![0];
      const invite = peer.invite(`sip:b@${place}`);
      const dialog = invite.dialog(await invite.final());
      t.equal(dialog.remoteTarget, `sip:${place}`);
      peer.ack(dialog, invite);
      await until(() => dialogs.length === 1);
      const ended = dialogs.pop()!.destroy();
      const bye = await peer.request('BYE');
      t.equal(`${bye.source.host}:${bye.source.port}`, place);
      t.match(bye.request.get('Via'), place);
      peer.answer(bye, 200);
      await ended;
    }
  },
);

t.test('external-ip: peers outside the local net read it in Contact and Via', async (t) => {
  const server = await startServer(t, [...EXTERNAL, '--local-net', '10.0.0.0/8']);
  const srf = await connectApp(t, server);
  const phone = await createUserAgent({
    listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
    timers: { T1: 20 },
  });
  t.teardown(() => phone.stop());
  const seen: Array<string | undefined> = [];
  phone.onInvite((call) => {
    seen.push(call.request.get('Via'), call.request.get('Contact'));
    call.reject(486);
  });
  await srf.createUAC(phone.contactUri(), { localSdp: sdp(4) }).catch((err: unknown) => t.match(err, { status: 486 }));
  t.match(seen, [/UDP 203\.0\.113\.7:\d+;/, /<sip:203\.0\.113\.7:\d+>/]);
});

t.test('arguments: external-ip and local-net belong to the contact before them', (t) => {
  const flags = ['--contact', 'sip:10.0.0.1', '--local-net', '10.0.0.0/8,192.168.0.0/16', '--external-ip', '192.0.2.1'];
  t.same(readArguments([...flags, '--contact', 'sip:[::1]:5070;transport=ws']).listen, [
    ...(['udp', 'tcp'] as const).map((transport) => ({
      transport,
      host: '10.0.0.1',
      port: 5060,
      externalHost: '192.0.2.1',
      localNets: ['10.0.0.0/8', '192.168.0.0/16'],
    })),
    { transport: 'ws', host: '::1', port: 5070 },
  ]);
  for (const [argv, reason] of [
    [['--cert-file', '/nowhere'], /needed together/],
    [['--cert-file', '/nowhere', '--key-file', '/nowhere'], /--cert-file: ENOENT/],
    [['--contact', 'sips:127.0.0.1;transport=tcp'], /tcp is not supported \(tls, wss\)/],
    [['--contact', 'sip:host.example'], /an address of this machine/],
    [['--mtu', '10'], /500 or more/],
    [['--tls-name', 'x'], undefined],
  ] as const) {
    if (reason) t.throws(() => readArguments(argv), { message: reason });
    else t.doesNotThrow(() => readArguments(argv), 'without certificate the other TLS flags mean nothing');
  }
  t.end();
});

t.test(
  'large: an INVITE of an application over 1300 bytes goes over TCP, back to UDP where that is refused (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const srf = await connectApp(t, server);
    const vias: Array<string | undefined> = [];
    for (const transports of [['udp', 'tcp'], ['udp']] as const) {
      const listen = transports.map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
      const phone = await createUserAgent({ listen, timers: { T1: 20 } });
      t.teardown(() => phone.stop());
      phone.onInvite((call) => {
        vias.push(call.request.get('Via')?.slice(0, 12));
        call.accept(sdp(5));
      });
      const headers = { 'X-Long': 'x'.repeat(1400) };
      const dialog = await srf.createUAC(phone.contactUri(), { localSdp: sdp(4), headers });
      t.equal((await dialog.request({ method: 'INFO', headers })).status, 200);
      await dialog.destroy();
    }
    t.same(vias, ['SIP/2.0/TCP ', 'SIP/2.0/UDP ']);
    await heldDialogs(server, 0);
  },
);
