import { scenario } from '@ringwire/test/support/sip-scenarios.js';

const SDP = `Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
`;

/** Carries the time at which the INVITE left the feature server, as seconds since the epoch. */
const SENT = 'X-Sent';

/** Logs when the INVITE was sent that a message belongs to, and when the message came. */
const LOG_TIMES = `<action>
      <ereg regexp="[0-9]{9,}\\.[0-9]+" search_in="hdr" header="${SENT}:" assign_to="sent"/>
      <log message="came [$sent] [timestamp]"/>
    </action>`;

/** A feature server that calls a number and hangs up when it is answered. Logs for each 200 when its INVITE was sent, and when it came. */
export function featureServer(headers: Readonly<Record<string, string>>): string {
  const own = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`);
  return scenario(`
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:15550002222@localhost>;tag=[pid]c[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:fs@[local_ip]:[local_port]>
Max-Forwards: 70
${own.join('')}${SENT}: [timestamp]
${SDP}
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200" rrs="true">
    ${LOG_TIMES}
  </recv>
  ${inside('ACK', 1, '')}
  ${inside('BYE', 2, 'retrans="500"')}
  <recv response="200"/>`);
}

function inside(method: string, cseq: number, attributes: string): string {
  return `<send ${attributes}><![CDATA[
${method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:15550002222@localhost>;tag=[pid]c[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Max-Forwards: 70
Content-Length: 0

]]></send>`;
}

/** A carrier that answers at once. Logs for each INVITE when it was sent by the feature server, and when it came. */
export const CARRIER = scenario(`
  <recv request="INVITE" rrs="true">
    ${LOG_TIMES}
  </recv>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]u[call_number]
[last_Call-ID:]
[last_CSeq:]
[last_${SENT}:]
Contact: <sip:carrier@[local_ip]:[local_port]>
${SDP}
]]></send>
  <recv request="ACK"/>
  <recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>`);

/** From INVITE to what came, ms, from the lines that the scenarios log. */
export function sinceSentMs(logged: readonly string[]): number[] {
  return logged.flatMap((line) => {
    // sipp's time stamp is date, time and seconds since the epoch.
    const times = Array.from(line.matchAll(/\d{9,}\.\d+/g), ([seconds]) => Number(seconds));
    const [sent, came] = [times.at(0), times.at(-1)];
    return line.startsWith('came') && times.length >= 2 ? [(came! - sent!) * 1000] : [];
  });
}
