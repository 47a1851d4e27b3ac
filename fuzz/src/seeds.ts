import { readdirSync, readFileSync } from 'node:fs';

const CORPORA = ['rfc4475/valid/', 'rfc4475/invalid/', 'rfc5118/'];

const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 4000 RTP/AVP 0 101',
  'a=rtpmap:101 telephone-event/8000',
  'a=sendrecv',
  '',
].join('\r\n');

/** A request of a call or outside one, as telephones and carriers send it. */
function request(method: string, more: string[] = [], body = '', toTag = ''): string {
  return [
    `${method} sip:100@127.0.0.1:5060;transport=udp SIP/2.0`,
    'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKfuzz;rport',
    'Max-Forwards: 70',
    'From: "Alice, A." <sip:alice@127.0.0.1>;tag=a1',
    `To: <sip:100@127.0.0.1>${toTag}`,
    'Call-ID: fuzz-1@127.0.0.1',
    `CSeq: 1 ${method}`,
    'Contact: <sip:alice@127.0.0.1:5070;transport=udp>',
    ...more,
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

function response(status: string, method: string, body = ''): string {
  return [
    `SIP/2.0 ${status}`,
    'Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKfuzz;received=127.0.0.1;rport=5060',
    'Record-Route: <sip:127.0.0.1;lr>, <sip:[::1]:5062;lr>',
    'From: <sip:alice@127.0.0.1>;tag=a1',
    'To: <sip:100@127.0.0.1>;tag=b1',
    'Call-ID: fuzz-1@127.0.0.1',
    `CSeq: 1 ${method}`,
    'Contact: <sip:100@127.0.0.1:5060>',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

const TAG = ';tag=b1';
const GENUINE = [
  request(
    'INVITE',
    ['Content-Type: application/sdp', 'Supported: 100rel, timer, replaces', 'Session-Expires: 1800'],
    SDP,
  ),
  request('INVITE', ['Content-Type: application/sdp', 'Route: <sip:127.0.0.1;lr>, <sip:127.0.0.2;lr>'], SDP, TAG),
  request('ACK', [], '', TAG),
  request('BYE', ['Reason: Q.850;cause=16;text="Normal call clearing"'], '', TAG),
  request('CANCEL'),
  request('OPTIONS', ['Accept: application/sdp, text/plain;q=0.5']),
  request('REGISTER', [
    'Expires: 3600',
    'Authorization: Digest username="a", realm="r, s", nonce="n", uri="sip:x", response="0123456789abcdef", qop=auth, nc=00000001',
  ]),
  request('INFO', ['Content-Type: application/dtmf-relay'], 'Signal=5\r\nDuration=160\r\n', TAG),
  request('PRACK', ['RAck: 1 1 INVITE'], '', TAG),
  request('UPDATE', ['Content-Type: application/sdp', 'Min-SE: 90'], SDP, TAG),
  request('REFER', ['Refer-To: <sip:bob@127.0.0.1?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>'], '', TAG),
  request('SUBSCRIBE', ['Event: presence', 'Expires: 60']),
  request('NOTIFY', ['Event: refer', 'Subscription-State: terminated;reason=noresource'], 'SIP/2.0 200 OK', TAG),
  request('MESSAGE', ['Content-Type: text/plain;charset=utf-8', 'Subject: Grüße, 大停電'], 'schöne Grüße'),
  response('100 Trying', 'INVITE'),
  response('180 Ringing', 'INVITE'),
  response('200 OK', 'INVITE', SDP),
  response('401 Unauthorized', 'REGISTER'),
  response('503 Service Unavailable', 'OPTIONS'),
  'OPTIONS sip:a@b SIP/2.0\r\nv:SIP/2.0/TCP h;branch=z9hG4bKc\r\nf:<sip:a@h>;tag=1\r\nt:<sip:b@h>\r\ni:1\r\nCSeq:1 OPTIONS\r\nl:0\r\n\r\n',
];

/** What the suite of the SIP server sent over UDP, one message of each kind. */
function testTraffic(): Buffer[] {
  const texts = JSON.parse(readFileSync(new URL('../seeds/test-traffic.json', import.meta.url), 'utf8')) as string[];
  return texts.map((text) => Buffer.from(text, 'latin1'));
}

/** What mutation starts from: the torture corpora, in the order of their names, genuine messages, and the suite's own. */
export function loadSeeds(): Buffer[] {
  const testdata = new URL('../../embedded/sip/testdata/', import.meta.url);
  const torture = CORPORA.flatMap((folder) =>
    readdirSync(new URL(folder, testdata))
      .filter((file) => file.endsWith('.dat'))
      .sort()
      .map((file) => readFileSync(new URL(folder + file, testdata))),
  );
  return [...GENUINE.map((text) => Buffer.from(text)), ...torture, ...testTraffic()];
}
