/**
 * sipp scenarios of single features of SIP, over any transport. `[service]` is the called user. Requests over UDP are
 * repeated from 50 ms on.
 */

const CALLED = 'sip:[service]@[remote_ip]:[remote_port]';
const CONTACT = 'Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>';
const TAG = ';tag=[pid]u[call_number]';
const NO_BODY = 'Content-Length: 0\n';
const SDP = `Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
`;

/** INVITE, answer, ACK, BYE. */
export const CALL = scenario(`${invite()}${ringing()}${answered()}${bye(2)}`);

/** A call that is changed by a re-INVITE before its BYE. */
export const REINVITE = scenario(
  `${invite()}${ringing()}${answered()}${reinvite(2)}<recv response="100" optional="true"/>${answered(2)}${bye(3)}`,
);

/** INVITE, CANCEL as soon as it rings, 487. */
export const CANCELLED = scenario(`${invite()}
  <recv response="100" optional="true"/>
  <recv response="180"/>
  <send retrans="50"><![CDATA[
CANCEL ${CALLED} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-3]
${ends()}
CSeq: 1 CANCEL
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
  <recv response="487"/>
  <send><![CDATA[
ACK ${CALLED} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-6]
${ends('[peer_tag_param]')}
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>`);

/** A caller that demands reliable provisional responses (RFC 3262): 183, PRACK, 200 of the PRACK, answer. */
export const RELIABLE = scenario(`${invite('Require: 100rel')}
  <recv response="100" optional="true"/>
  <recv response="183" rrs="true">
    <action><ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="rseq"/></action>
  </recv>
  ${inside('PRACK', 2, 'RAck: [$rseq] 1 INVITE')}
  <recv response="200"/>${answered()}${bye(3)}`);

/** REGISTER, challenge, REGISTER with the digest of user joe and password zanzibar. */
export const REGISTRATION = scenario(`${register(1)}
  <recv response="401" auth="true"/>${register(2, '[authentication username=joe password=zanzibar]')}
  <recv response="200"/>`);

/** A callee: rings, answers, waits for the BYE. */
export const CALLEE = scenario(`
  <recv request="INVITE" rrs="true"/>${reply('180 Ringing', TAG)}${reply('200 OK', TAG, SDP, 'retrans="50"')}
  <recv request="ACK"/>
  <recv request="BYE"/>${reply('200 OK')}`);

function ends(toTag = ''): string {
  return `From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <${CALLED}>${toTag}
Call-ID: [call_id]`;
}

function invite(header = ''): string {
  return `
  <send retrans="50"><![CDATA[
INVITE ${CALLED} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
${ends()}
CSeq: 1 INVITE
${CONTACT}
${header === '' ? '' : `${header}\n`}Max-Forwards: 70
${SDP}
]]></send>`;
}

function ringing(): string {
  return `
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>`;
}

/** The 200 of an INVITE and its ACK. */
function answered(cseq = 1): string {
  return `
  <recv response="200" rrs="true"/>
  ${inside('ACK', cseq, '', '')}`;
}

function reinvite(cseq: number): string {
  return inside('INVITE', cseq, CONTACT, 'retrans="50"', SDP);
}

function bye(cseq: number): string {
  return `${inside('BYE', cseq)}
  <recv response="200"/>`;
}

function register(cseq: number, header = ''): string {
  return `
  <send retrans="50"><![CDATA[
REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:joe@ringwire.test>;tag=[pid]r[call_number]
To: <sip:joe@ringwire.test>
Call-ID: [call_id]
CSeq: ${cseq} REGISTER
${CONTACT}
${header === '' ? '' : `${header}\n`}Expires: 600
Max-Forwards: 70
Content-Length: 0

]]></send>`;
}

/** A request inside the dialog. */
function inside(method: string, cseq: number, header = '', attributes = 'retrans="50"', body = NO_BODY): string {
  return `<send ${attributes}><![CDATA[
${method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
${ends('[peer_tag_param]')}
CSeq: ${cseq} ${method}
${header === '' ? '' : `${header}\n`}Max-Forwards: 70
${body}
]]></send>`;
}

function reply(status: string, toTag = '', body = NO_BODY, attributes = ''): string {
  return `
  <send ${attributes}><![CDATA[
SIP/2.0 ${status}
[last_Via:]
[last_From:]
[last_To:]${toTag}
[last_Call-ID:]
[last_CSeq:]
${CONTACT}
${body}
]]></send>`;
}

/** A scenario of these elements. */
export function scenario(body: string): string {
  return `<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="ringwire">${body}
</scenario>
`;
}
