import { answerCalls } from '@ringwire/phone';
import t from 'tap';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';

const ringwire = await openPlatform(t);
const { application, instance } = ringwire;

/** What of an entry of a timeline tells of a message on the wire. */
interface WireData {
  wire?: boolean;
  firstLine?: string;
  callId?: string;
}

t.test('a call’s SIP messages of edge and core are in its timeline, and its pcap has them', async (t) => {
  const line = await ringwire.lineWith(() => [{ verb: 'hangup' }]);
  const call = await ringwire.call(line.number);
  const { sipCallId } = await call.finished;
  await application.request(line.call);

  const wire = (entries: Awaited<ReturnType<typeof ringwire.timeline>>) =>
    entries.filter(({ kind, data }) => kind === 'sip' && (data as WireData | undefined)?.wire === true);
  const entries = wire(await ringwire.timeline(sipCallId));
  const texts = entries.map(({ text }) => text.replace(/sip:\S+/g, 'sip:…').replace(/\d+\.\d+\.\d+\.\d+:\d+/, 'phone'));
  for (const expected of [
    'phone → edge: INVITE sip:…',
    'edge → phone: 100 Trying (INVITE)',
    'edge → core: INVITE sip:…',
    'core → edge: 100 Trying (INVITE)',
  ]) {
    t.ok(texts.includes(expected), `${expected} in ${texts.join(' | ')}`);
  }
  t.ok(
    texts.indexOf('phone → edge: INVITE sip:…') < texts.indexOf('edge → core: INVITE sip:…'),
    'in the order of time',
  );
  const invites = texts.filter((text) => text === 'edge → core: INVITE sip:…');
  t.equal(invites.length, 1, 'a message between edge and core is told once');
  const callIds = new Set(entries.map(({ data }) => (data as WireData).callId));
  t.equal(callIds.size, 3, 'outer leg, inner leg, leg to the media server');
  t.ok(callIds.has(sipCallId));

  const url = `${instance.api.url}/v1/Accounts/${instance.accountSid}/RecentCalls/${encodeURIComponent(sipCallId)}/invite/pcap`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${instance.api.key}` } });
  t.equal(response.status, 200);
  const pcap = Buffer.from(await response.arrayBuffer());
  t.equal(pcap.readUInt32LE(0), 0xa1b2c3d4, 'a pcap file');
  for (const callId of callIds) t.ok(pcap.includes(`Call-ID: ${callId}`), `messages of ${callId}`);
  t.equal(pcap.toString('latin1').split('\r\nX-Call-Sid: ').length > 1, true, 'the inner INVITE');
  const refused = await fetch(url, { headers: { authorization: 'Bearer nobody' } });
  t.equal(refused.status, 401);
});

t.test('the messages between the edge and whom it called are in the timeline of a leg of dial', async (t) => {
  const desk = await answerCalls({ reject: { status: 486 } });
  t.teardown(() => desk.close());
  const line = await ringwire.lineWith(() => [
    { verb: 'dial', target: [{ type: 'sip', sipUri: `sip:desk@${desk.host}:${desk.port}` }] },
  ]);
  const call = await ringwire.call(line.number);
  await call.finished;
  const leg = await eventually(
    'the record of the leg',
    async () => (await ringwire.records()).find(({ to, terminated_at }) => to === 'desk' && terminated_at),
    (found) => found !== undefined,
  );
  const texts = (await ringwire.timeline(leg?.call_sid ?? ''))
    .filter(({ data }) => (data as WireData | undefined)?.wire === true)
    .map(({ text }) => text.replaceAll(`${desk.host}:${desk.port}`, 'desk'));
  t.ok(texts.includes('edge → desk: INVITE sip:desk@desk'), texts.join(' | '));
  t.ok(texts.includes('desk → edge: 486 Busy Here (INVITE)'), texts.join(' | '));
});
