import { DIGIT_PCAPS } from './sipp.js';

/**
 * A caller: INVITE, listens, presses the key of `[field1]` (RFC 4733 from Debian's captures), waits for our BYE.
 *
 * `[field0]` is the caller's number. Response timer 1 is INVITE → 200.
 */
export function menuCaller(calledNumber: string, { pressAfterMs = 1_500, keys = ['1', '2', '3'] } = {}): string {
  const branches = keys.map(
    (key, index) => `
  <label id="${index + 1}"/>
  <nop><action><exec play_pcap_audio="${DIGIT_PCAPS}/dtmf_2833_${key}.pcap"/></action></nop>
  <nop next="99"/>`,
  );
  const tests = keys.map(
    (key, index) => `
  <nop><action><strcmp assign_to="is${key}" variable="key" value="${key}"/><test assign_to="go${key}" variable="is${key}" compare="equal" value="0"/></action></nop>
  <nop next="${index + 1}" test="go${key}"/>`,
  );
  return scenario(`${invite(calledNumber)}
  <pause milliseconds="${pressAfterMs}"/>
  <nop><action><assignstr assign_to="key" value="[field1]"/></action></nop>${tests.join('')}${branches.join('')}
  <label id="99"/>${answerBye}`);
}

/**
 * A caller that hangs up some time after the answer. A refusal with 503 (overload) ends the call well and is counted in
 * sipp's first counter; any other refusal is a failure.
 */
export function shortCaller(calledNumber: string, { talkMs }: { talkMs: number }): string {
  return scenario(`${invite(calledNumber, '<recv response="503" optional="true" next="1" counter="1" response_txn="invite"/>')}
  <pause milliseconds="${talkMs}"/>
  <send retrans="500" start_txn="bye"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:${calledNumber}@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" next="2" response_txn="bye"/>
  <label id="1"/>
  <send ack_txn="invite"><![CDATA[
ACK sip:${calledNumber}@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <label id="2"/>
  <nop/>`);
}

function scenario(body: string): string {
  return `<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="ringwire">${body}
</scenario>
`;
}

function invite(calledNumber: string, refusal = ''): string {
  return `
  <send retrans="500" start_rtd="1" start_txn="invite"><![CDATA[
INVITE sip:${calledNumber}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:${calledNumber}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16

]]></send>
  <recv response="100" optional="true" response_txn="invite"/>
  <recv response="180" optional="true" response_txn="invite"/>
  <recv response="183" optional="true" response_txn="invite"/>
  ${refusal}
  <recv response="200" rtd="1" rrs="true" response_txn="invite"/>
  <send ack_txn="invite"><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:${calledNumber}@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>`;
}

const answerBye = `
  <recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>`;
