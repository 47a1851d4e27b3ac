/** The SIP dialog of an edge with a feature server, message by message: what a telephone of `@ringwire/phone` does not do. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { signInternal, UPDATE_CALL_PATH } from '@ringwire/common';
import { createUserAgent, type Dialog, type SipMessage } from '@ringwire/sip';
import type { Test } from 'tap';
import { Channel } from './fakes.js';
import { ACCOUNT_SID, APPLICATION_SID, type PlatformRig } from './platform-rig.js';

const SDP = [
  ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
  ...['m=audio 40000 RTP/AVP 0', ''],
].join('\r\n');

/** An answered call, whose far end the test plays. */
export interface EdgeCall {
  dialog: Dialog;
  /** Requests of the feature server that came, in order; answered as {@link answer} says. */
  requests: Channel<SipMessage>;
  /** Sends how a transfer goes (RFC 3515). */
  notify(status: number, reason: string): Promise<void>;
}

/** Calls as an edge would; `answer` is the status that requests of the feature server get. */
export async function callAsEdge(
  t: Test,
  rig: PlatformRig,
  {
    callSid = 'call-1',
    answer = () => 200,
  }: { callSid?: string; answer?: (method: string, request: SipMessage) => number } = {},
): Promise<EdgeCall> {
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }], user: 'edge' });
  t.teardown(() => agent.stop());
  const call = agent.invite({
    uri: `sip:15550100@${rig.sip.contacts[0]?.slice(4)}`,
    sdp: SDP,
    headers: { 'X-Account-Sid': ACCOUNT_SID, 'X-Application-Sid': APPLICATION_SID, 'X-Call-Sid': callSid },
  });
  const [dialog] = (await once(call, 'answered')) as [Dialog];
  t.teardown(() => dialog.bye());
  const requests = new Channel<SipMessage>();
  dialog.on('request', (transaction) => {
    const { request } = transaction;
    transaction.reply(answer(request.method, request));
    requests.post(request);
  });
  dialog.on('info', (request, transaction) => {
    const response = transaction.makeResponse(answer('INFO', request));
    if (response.status >= 400) response.add('X-Reason', 'the edge says no');
    transaction.respond(response);
    requests.post(request);
  });
  return {
    dialog,
    requests,
    async notify(status, reason) {
      const content = { body: `SIP/2.0 ${status} ${reason}\r\n`, contentType: 'message/sipfrag;version=2.0' };
      const state = status < 200 ? 'active;expires=60' : 'terminated;reason=noresource';
      await dialog.request('NOTIFY', content, { Event: 'refer', 'Subscription-State': state });
    },
  };
}

/** Does what the API server does with a REST update of a live call. */
export async function updateCall(
  rig: PlatformRig,
  callSid: string,
  body: unknown,
  accountSid = ACCOUNT_SID,
): Promise<{ status: number; body: unknown }> {
  const order = { orderId: randomUUID(), callSid, accountSid, body };
  const response = await fetch(`${rig.server.httpUrl}${UPDATE_CALL_PATH}`, {
    method: 'POST',
    ...signInternal('not used here', UPDATE_CALL_PATH, order),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}
