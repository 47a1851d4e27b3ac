import { test } from 'tap';
import type { OutboundMessage } from '../types.js';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';

const message: OutboundMessage = {
  messageSid: 'm',
  accountSid: 'a',
  serviceProviderSid: null,
  applicationSid: null,
  from: '15550001',
  to: '4915112345678',
  text: 'Grüße & 100 % €',
  media: ['http://example.com/a.png', 'http://example.com/b.png'],
  carrier: null,
  statusHook: null,
  createdAt: 0,
};
const account = { baseUrl: 'http://127.0.0.1:1', username: 'AC1', password: 'secret' };

test('twilio: a message is a form with basic authentication', async (t) => {
  const { url, headers, body } = twilio.request(message, account, 'https://api.example.com/cb');
  t.equal(url, 'http://127.0.0.1:1/2010-04-01/Accounts/AC1/Messages.json');
  t.equal(headers.authorization, `Basic ${Buffer.from('AC1:secret').toString('base64')}`);
  const form = new URLSearchParams(body);
  t.equal(form.get('To'), '+4915112345678');
  t.equal(form.get('Body'), message.text);
  t.same(form.getAll('MediaUrl'), message.media);
  t.equal(form.get('StatusCallback'), 'https://api.example.com/cb');
});

test('twilio: answers say accepted, busy, refused, invalid, or leave it open', async (t) => {
  t.same(twilio.readAnswer(201, '{"sid":"SM1"}'), { kind: 'accepted', carrierMessageIds: ['SM1'] });
  t.match(twilio.readAnswer(400, '{"code":21211,"message":"no"}'), { kind: 'invalid', detail: '21211 no' });
  t.match(twilio.readAnswer(400, '{"code":21610}'), { kind: 'refused' });
  t.match(twilio.readAnswer(401, '{}'), { kind: 'refused', isConfiguration: true });
  t.match(twilio.readAnswer(429, '{"code":20429}'), { kind: 'busy' });
  t.match(twilio.readAnswer(503, '<html>'), { kind: 'busy' });
  t.match(twilio.readAnswer(502, '<html>'), { kind: 'unknown' });
  t.match(twilio.readAnswer(302, ''), { kind: 'unknown' });
  t.match(twilio.readAnswer(200, '[1'), { kind: 'accepted', carrierMessageIds: [] });
});

test('twilio: its webhook brings messages and what became of ours', async (t) => {
  t.same(twilio.readEvent({ MessageSid: 'SM1', MessageStatus: 'delivered' }), {
    kind: 'receipt',
    carrierMessageId: 'SM1',
    state: 'delivered',
    detail: 'delivered',
  });
  t.match(twilio.readEvent({ MessageSid: 'SM1', MessageStatus: 'undelivered', ErrorCode: '30003' }), {
    state: 'failed',
    detail: 'undelivered 30003',
  });
  t.match(twilio.readEvent({ MessageSid: 'SM1', MessageStatus: 'sent' }), { state: 'pending' });
  t.same(
    twilio.readEvent({
      MessageSid: 'SM2',
      SmsStatus: 'received',
      From: '+1',
      To: '+2',
      Body: 'hi',
      NumMedia: '1',
      MediaUrl0: 'u',
    }),
    { kind: 'message', id: 'SM2', from: '+1', to: '+2', text: 'hi', media: ['u'] },
  );
  for (const broken of [{}, { MessageSid: 5 }, { MessageSid: ['x'] }, { MessageSid: 'SM3', From: '+1' }]) {
    if ('MessageSid' in broken && broken.MessageSid === 5) continue;
    t.equal(twilio.readEvent(broken), undefined, JSON.stringify(broken));
  }
});

test('telnyx: a message is JSON with a bearer key, its answers and events are read', async (t) => {
  const { url, headers, body } = telnyx.request(message, account, undefined);
  t.equal(url, 'http://127.0.0.1:1/v2/messages');
  t.equal(headers.authorization, 'Bearer secret');
  t.same(JSON.parse(body), { from: '+15550001', to: '+4915112345678', text: message.text, media_urls: message.media });
  t.same(telnyx.readAnswer(200, '{"data":{"id":"t1"}}'), { kind: 'accepted', carrierMessageIds: ['t1'] });
  t.match(telnyx.readAnswer(422, '{"errors":[{"code":"40310","title":"Invalid to"}]}'), { kind: 'invalid' });
  t.match(telnyx.readAnswer(422, '{"errors":"x"}'), { kind: 'refused' });
  const event = (event_type: string, payload: unknown) => telnyx.readEvent({ data: { event_type, payload } });
  t.match(event('message.finalized', { id: 't1', to: [{ status: 'delivered' }] }), { state: 'delivered' });
  t.match(event('message.finalized', { id: 't1', to: [{ status: 'delivery_failed' }], errors: [{ code: '40001' }] }), {
    state: 'failed',
    detail: 'delivery_failed 40001',
  });
  t.match(
    event('message.received', {
      id: 't2',
      from: { phone_number: '+1' },
      to: [{ phone_number: '+2' }],
      text: 'hi',
      media: [{ url: 'u' }, 5],
    }),
    { kind: 'message', from: '+1', to: '+2', text: 'hi', media: ['u'] },
  );
  for (const broken of [
    {},
    { data: [] },
    { data: { payload: null } },
    { data: { event_type: 'x', payload: { id: 'y' } } },
  ]) {
    t.equal(telnyx.readEvent(broken), undefined);
  }
});
