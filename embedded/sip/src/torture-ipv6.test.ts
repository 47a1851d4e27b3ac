import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parseNameAddr, parseUri } from './address.js';
import { checkMessage } from './check-message.js';
import type { SipMessage } from './message.js';
import { parseMessage } from './parse-message.js';
import { parseVia } from './via.js';

const folder = new URL('../testdata/rfc5118/', import.meta.url);

function read(name: string): SipMessage {
  const parsed = parseMessage(readFileSync(new URL(`${name}.dat`, folder)));
  if (!parsed.ok) throw parsed.error;
  return parsed.message;
}

/** Host and port of the Request-URI, of the Via entries (with what was received) and of Contact. */
function hosts(m: SipMessage) {
  const uri = parseUri(m.uri);
  const contact = m.get('Contact');
  return {
    uri: [uri?.host, uri?.port],
    vias: m.getList('Via').map((text) => {
      const via = parseVia(text);
      return [via?.host, via?.port, via?.params.get('received')];
    }),
    contact: contact && parseUri(parseNameAddr(contact)!.uri)?.host,
  };
}

const via = ['[2001:db8::9:1]', undefined, undefined];
const VALID: Array<[name: string, what: string, wanted: ReturnType<typeof hosts>]> = [
  [
    'ipv6-good',
    '§4.1: references in Request-URI, Via and Contact',
    { uri: ['[2001:db8::10]', undefined], vias: [via], contact: '[2001:db8::1]' },
  ],
  [
    'port-ambiguous',
    '§4.3: a port inside the brackets is part of the address',
    { uri: ['[2001:db8::10:5070]', undefined], vias: [via], contact: '[2001:db8::1]' },
  ],
  [
    'port-unambiguous',
    '§4.4: a port after the brackets is a port',
    { uri: ['[2001:db8::10]', 5070], vias: [via], contact: '[2001:db8::1]' },
  ],
  [
    'via-received-param-with-delim',
    '§4.5: received in brackets is tolerated',
    {
      uri: ['[2001:db8::10]', undefined],
      vias: [['[2001:db8::9:1]', undefined, '[2001:db8::9:255]']],
      contact: undefined,
    },
  ],
  [
    'via-received-param-no-delim',
    '§4.5: received without brackets is the right form',
    {
      uri: ['[2001:db8::10]', undefined],
      vias: [['[2001:db8::9:1]', undefined, '2001:db8::9:255']],
      contact: '[2001:db8::9:1]',
    },
  ],
  [
    'ipv6-in-sdp',
    '§4.6: addresses without brackets in SDP',
    { uri: ['[2001:db8::10]', undefined], vias: [['[2001:db8::20]', undefined, undefined]], contact: '[2001:db8::20]' },
  ],
  [
    'mult-ip-in-header',
    '§4.7: both families in Via',
    {
      uri: ['host.example.net', undefined],
      vias: [
        ['[2001:db8::9:1]', 6050, undefined],
        ['192.0.2.1', undefined, undefined],
        ['[2001:db8::9:255]', undefined, '192.0.2.200'],
      ],
      contact: undefined,
    },
  ],
  [
    'mult-ip-in-sdp',
    '§4.8: both families in SDP',
    { uri: ['[2001:db8::10]', undefined], vias: [via], contact: '[2001:db8::9:1]' },
  ],
  [
    'ipv4-mapped-ipv6',
    '§4.9: IPv4-mapped addresses',
    {
      uri: ['example.com', undefined],
      vias: [
        ['[::ffff:192.0.2.10]', 19823, undefined],
        ['[::ffff:192.0.2.2]', undefined, undefined],
      ],
      contact: '[::ffff:192.0.2.2]',
    },
  ],
  [
    'ipv6-bug-abnf-3-colons',
    '§4.10: the third colon of the old grammar is tolerated',
    {
      uri: ['[2001:db8:::192.0.2.1]', undefined],
      vias: [['lab1.east.example.com', undefined, undefined]],
      contact: undefined,
    },
  ],
  [
    'ipv6-correct-abnf-2-colons',
    '§4.10: the corrected form',
    {
      uri: ['[2001:db8::192.0.2.1]', undefined],
      vias: [['lab1.east.example.com', undefined, undefined]],
      contact: undefined,
    },
  ],
];

for (const [name, what, wanted] of VALID) {
  t.test(`RFC 5118 ${what} (${name})`, async (t) => {
    const message = read(name);
    t.equal(checkMessage(message), undefined);
    t.same(hosts(message), wanted);
    const again = parseMessage(message.toBuffer());
    t.ok(again.ok);
    if (again.ok) t.same([again.message.headers, again.message.body], [message.headers, message.body]);
  });
}

t.test('RFC 5118 §4.2: an address without brackets in the Request-URI is refused (ipv6-bad)', async (t) => {
  t.equal(checkMessage(read('ipv6-bad'))?.reason, 'bad-uri');
});

t.test('RFC 5118: every message has its case', async (t) => {
  t.same(
    readdirSync(folder)
      .filter((file) => file.endsWith('.dat'))
      .sort(),
    [...VALID.map(([name]) => `${name}.dat`), 'ipv6-bad.dat'].sort(),
  );
});
