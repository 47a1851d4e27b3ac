import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { parseUri } from './address.js';
import { endpointOfUri } from './destination.js';
import { parseMessage } from './parse-message.js';
import { createUserAgent, type UserAgent } from './user-agent.js';
import { parseVia } from './via.js';

async function agent(t: { teardown(fn: () => unknown): void }): Promise<UserAgent> {
  const listen = ['127.0.0.1', '::1'].flatMap((host) =>
    (['udp', 'tcp', 'ws'] as const).map((transport) => ({ transport, host, port: 0 })),
  );
  const made = await createUserAgent({ listen, timers: { T1: 20 } });
  t.teardown(() => made.stop());
  return made;
}

/** The URI of the agent's IPv6 listener. */
function uri6(agent: UserAgent, transport: 'udp' | 'tcp' | 'ws'): string {
  const { port } = agent.layer.addressFor(transport, '::1');
  return `sip:b@[::1]:${port};transport=${transport}`;
}

for (const transport of ['udp', 'tcp', 'ws'] as const) {
  t.test(`ipv6: a call over ${transport} names our IPv6 address in brackets`, async (t) => {
    const [caller, callee] = [await agent(t), await agent(t)];
    const seen: Array<string | undefined> = [];
    callee.onInvite((call) => {
      seen.push(call.request.get('Via'), call.request.get('Contact'));
      call.accept('v=0 answer');
    });
    const dialog = await caller.invite({ uri: uri6(callee, transport), sdp: 'v=0 offer' }).answered;
    const param = transport === 'udp' ? '' : `;transport=${transport}`;
    t.match(seen[0], new RegExp(`^SIP/2\\.0/${transport.toUpperCase()} \\[::1\\]:\\d+;`));
    t.match(seen[1], new RegExp(`^<sip:ringwire@\\[::1\\]:\\d+${param}>$`));
    t.match(dialog.state.remoteTarget, /^sip:ringwire@\[::1\]:/);
    t.equal((await dialog.bye())?.status, 200);
  });
}

t.test('ipv6: received has no brackets, and is left out where another spelling names the same address', async (t) => {
  const server = await agent(t);
  const socket = createSocket('udp6').bind(0, '::1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const { port } = server.layer.addressFor('udp', '::1');
  const ask = async (sentBy: string, more: string): Promise<string> => {
    socket.send(
      `OPTIONS sip:x@[::1] SIP/2.0\r\nVia: SIP/2.0/UDP ${sentBy};branch=z9hG4bK${more.length}${sentBy.length}${more}\r\n` +
        'From: <sip:a@h>;tag=a\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n',
      port,
      '::1',
    );
    const [bytes] = await once(socket, 'message');
    const parsed = parseMessage(bytes);
    return parsed.ok ? (parsed.message.get('Via') ?? '') : '';
  };
  const own = socket.address().port;
  t.match(await ask('[2001:db8::9]:9', ';rport'), new RegExp(`;rport=${own};received=::1$`));
  t.notMatch(await ask(`[0:0:0:0:0:0:0:1]:${own}`, ''), /received/);
});

t.test('ipv6: a destination of a family that is not listened on fails, it does not leave by the other', async (t) => {
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
  t.teardown(() => agent.stop());
  t.equal(await agent.request({ method: 'OPTIONS', uri: 'sip:x@[::1]:5060' }), undefined);
  t.equal(agent.counters.transportErrors, 1);
});

t.test(
  'ipv6: an address with a zone means nothing to anybody else and is refused in URI, Via and next hop',
  async (t) => {
    for (const zone of ['%eth0', '%25eth0']) {
      t.equal(parseUri(`sip:a@[fe80::1${zone}]`), undefined);
      t.equal(parseVia(`SIP/2.0/UDP [fe80::1${zone}];branch=z9hG4bK1`), undefined);
      t.equal(endpointOfUri(`sip:a@[fe80::1${zone}]:5060`), undefined);
    }
  },
);
