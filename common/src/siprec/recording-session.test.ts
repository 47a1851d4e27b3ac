import t from 'tap';
import { extraHeaders } from './recording-session.js';

t.test('SIPREC: an application adds headers, but none of those that the INVITE has, by whatever name', async (t) => {
  const wanted = { 'X-Ticket': 42, Contact: '<sip:a@b>', m: '<sip:a@b>', l: 0, V: 'SIP/2.0/UDP x', 'X-Line': 'a\r\nb' };
  t.same(extraHeaders(wanted), { 'X-Ticket': '42' });
});
