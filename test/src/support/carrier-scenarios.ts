/** sipp as a carrier: one call each, over UDP. A scenario ends well only when everything that it waits for comes. */
import { scenario } from './sip-scenarios.js';

const ONE = ';tag=[pid]one[call_number]';
const OTHER = ';tag=[pid]other[call_number]';
const CONTACT = 'Contact: <sip:carrier@[local_ip]:[local_port];transport=[transport]>';
const SDP = `Content-Type: application/sdp
Content-Length: [len]

v=0
o=carrier 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
`;
/** The caller hangs up once the call is connected. */
const HUNG_UP = `${recv('BYE')}${reply('200 OK')}`;

/** Rings and answers. */
export const GOOD = scenario(`${invited()}${ringing()}${answered()}${HUNG_UP}`);

/** Sends the call on for a second before it rings. */
export const SLOW = scenario(
  `${invited()}${reply('100 Trying')}<pause milliseconds="1000"/>${ringing()}${answered()}${HUNG_UP}`,
);

/** Says that it tries, and no more; gives the INVITE back when it gets CANCEL. */
export const STUCK = scenario(`${invited()}${reply('100 Trying')}${cancelled()}`);

/** Takes the INVITE and dies of it. */
export const DYING = scenario(`${invited()}<pause milliseconds="1"/>`);

/** Refuses, after it rang where asked to. */
export function refusing(status: string, { rings = false, headers = [] as string[] } = {}): string {
  return scenario(`${invited()}${rings ? ringing() : ''}${reply(status, ONE, headers)}${recv('ACK')}`);
}

/** Sends the caller to somebody else. */
export function redirecting(contact: string): string {
  return scenario(`${invited()}${reply('302 Moved Temporarily', ONE, [], { contact })}${recv('ACK')}`);
}

/**
 * Takes calls only of who proves the password, and refuses others with 403. What comes after a 407 is seen to be a proof for
 * the user, but not checked: sipp checks the one of a 401 only.
 */
export function challenging(
  status: '401 Unauthorized' | '407 Proxy Authentication Required',
  { username, password }: { username: string; password: string },
): string {
  const isProxy = status.startsWith('407');
  const challenge = `${isProxy ? 'Proxy' : 'WWW'}-Authenticate: Digest realm="carrier.test", nonce="n[call_number]of[pid]", algorithm=MD5, qop="auth"`;
  const look = isProxy
    ? `<ereg regexp="username=.${username}.,.*response=.[0-9a-f]{32}" search_in="hdr" header="Proxy-Authorization:" assign_to="proven"/>`
    : `<verifyauth assign_to="proven" username="${username}" password="${password}"/>`;
  return scenario(`${invited()}${reply(status, ONE, [challenge])}${recv('ACK')}
  <recv request="INVITE" rrs="true"><action>${look}</action></recv>
  <nop next="1" test="proven"/>
  ${reply('403 Forbidden', ONE)}${recv('ACK')}
  <nop next="2"/>
  <label id="1"/>${ringing()}${answered()}${HUNG_UP}
  <label id="2"/>
  <nop/>`);
}

/**
 * Forks: two telephones ring, one of them with early media; it answers, and the other a moment later, which must get ACK and
 * BYE (RFC 3261 §13.2.2.4). Then the first one hangs up.
 */
export const FORKING = scenario(`
  <recv request="INVITE" rrs="true">
    <action>
      <ereg regexp="SIP.*" search_in="hdr" header="Via:" assign_to="via"/>
      <ereg regexp="[0-9]+ INVITE" search_in="hdr" header="CSeq:" assign_to="cseq"/>
      <ereg regexp="&lt;.*" search_in="hdr" header="From:" assign_to="caller"/>
      <ereg regexp="&lt;.*" search_in="hdr" header="To:" assign_to="called"/>
    </action>
  </recv>
  ${reply('180 Ringing', ONE)}
  ${reply('183 Session Progress', OTHER, [], { body: SDP })}
  ${reply('180 Ringing', OTHER)}
  ${reply('200 OK', OTHER, [], { body: SDP })}${recv('ACK')}
  <send><![CDATA[
SIP/2.0 200 OK
Via: [$via]
From: [$caller]
To: [$called]${ONE}
[last_Call-ID:]
CSeq: [$cseq]
${CONTACT}
${SDP}
]]></send>${recv('ACK')}${HUNG_UP}
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$called]${OTHER}
To: [$caller]
[last_Call-ID:]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>`);

function invited(): string {
  return recv('INVITE', 'rrs="true"');
}

function recv(method: string, attributes = ''): string {
  return `
  <recv request="${method}" ${attributes}/>`;
}

function ringing(tag = ONE): string {
  return reply('180 Ringing', tag);
}

function answered(tag = ONE): string {
  return `${reply('200 OK', tag, [], { body: SDP, attributes: 'retrans="500"' })}${recv('ACK')}`;
}

/** The 200 of the CANCEL and the 487 of its INVITE. */
function cancelled(): string {
  return `${recv('CANCEL')}${reply('200 OK')}${reply('487 Request Terminated', ONE, [], { cseq: 'INVITE' })}${recv('ACK')}`;
}

function reply(
  status: string,
  toTag = '',
  headers: readonly string[] = [],
  {
    contact = '',
    body = 'Content-Length: 0\n',
    attributes = '',
    cseq = '',
  }: { contact?: string; body?: string; attributes?: string; cseq?: string } = {},
): string {
  const lines = [contact === '' ? CONTACT : `Contact: ${contact}`, ...headers].join('\n');
  return `
  <send ${attributes}><![CDATA[
SIP/2.0 ${status}
[last_Via:]
[last_From:]
[last_To:]${toTag}
[last_Call-ID:]
${cseq === '' ? '[last_CSeq:]' : `CSeq: [last_cseq_number] ${cseq}`}
${lines}
${body}
]]></send>`;
}
