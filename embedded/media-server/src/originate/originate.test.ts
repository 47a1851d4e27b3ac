import { tone } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { TestCallee } from '../test-callee.js';
import { EslClient, type EventHeaders, startServer, wavFile } from '../test-peer.js';

const PROFILE = 'sofia/drachtio_mrf';

/** An event socket with all events, of ours or of a real FreeSWITCH. */
async function controlled(t: Test): Promise<EslClient> {
  const [host, port, password] = (process.env.FREESWITCH ?? '').split(':');
  const server = host ? { esl: `${host}:${port}` } : await startServer(t);
  const esl = await EslClient.connect(t, server, password);
  await esl.next(({ text }) => text === '+OK accepted');
  await esl.command('event json ALL');
  return esl;
}

let uuids = 0;
/** A uuid that no other call has, neither here nor in a FreeSWITCH that others use. */
function freshUuid(): string {
  return `Test-${process.pid}-${Date.now()}-${uuids++}`;
}

function eventsOf(esl: EslClient, uuid: string): EventHeaders[] {
  return esl.events.filter((event) => event['Unique-ID'] === uuid && event['Event-Name'] !== 'CODEC');
}

/** What happened to a call, in short: event, state, application. */
function happened(esl: EslClient, uuid: string): string[] {
  return eventsOf(esl, uuid).map((event) => {
    const { Application: application = '', 'Channel-State': state = '' } = event;
    const name = event['Event-Name']!.replace('CHANNEL_', '');
    const about = name === 'CALLSTATE' ? `/${event['Channel-Call-State']}` : '';
    return [name, `${state.replace('CS_', '')}${about}`, application].filter(Boolean).join(' ');
  });
}

async function had(esl: EslClient, uuid: string, name: string): Promise<EventHeaders> {
  return esl.event((event) => event['Event-Name'] === name && event['Unique-ID'] === uuid);
}

const BEGINNING = [
  'OUTGOING NONE',
  'STATE INIT',
  'CREATE INIT',
  'ORIGINATE INIT',
  'STATE ROUTING',
  'STATE CONSUME_MEDIA',
];
const RINGING = ['PROGRESS CONSUME_MEDIA', 'CALLSTATE CONSUME_MEDIA/RINGING'];
const ANSWERED = ['ANSWER CONSUME_MEDIA', 'CALLSTATE CONSUME_MEDIA/ACTIVE', 'CALL_UPDATE CONSUME_MEDIA'];
const ENDING = ['STATE HANGUP', 'CALLSTATE HANGUP/HANGUP', 'STATE REPORTING', 'HANGUP_COMPLETE REPORTING'];
const GONE = ['DESTROY REPORTING', 'STATE DESTROY'];

t.test('originate: the callee rings, answers and is parked, with the events of FreeSWITCH', async (t) => {
  const esl = await controlled(t);
  const callee = await TestCallee.create(t, ({ call, accept }) => {
    call.ring();
    accept();
  });
  const uuid = freshUuid();
  const variables = `origination_uuid=${uuid},origination_caller_id_name='Ann Lee',origination_caller_id_number=+4930123,sip_h_X-Tag=blue,seen=yes`;
  t.equal(await esl.api(`originate {${variables}}${PROFILE}/bob@${callee.address} &park()`), `+OK ${uuid}\n`);
  await had(esl, uuid, 'CHANNEL_PARK');
  t.same(happened(esl, uuid), [
    ...BEGINNING,
    ...RINGING,
    ...ANSWERED,
    'STATE EXECUTE',
    'EXECUTE EXECUTE park',
    'PARK EXECUTE',
  ]);
  const { request } = (await callee.call()).call;
  t.match(request.uri, /^sip:bob@127\.0\.0\.1:/);
  t.match(request.get('From'), /^"Ann Lee" <sip:\+4930123@[\d.]+>;tag=/);
  t.match(request.get('Remote-Party-ID'), /^"Ann Lee" <sip:\+4930123@[\d.]+>;party=calling;screen=yes;privacy=off$/);
  t.equal(request.get('X-Tag'), 'blue');
  const [outgoing] = eventsOf(esl, uuid);
  t.match(outgoing, {
    'Call-Direction': 'outbound',
    'Caller-Caller-ID-Name': 'Ann Lee',
    'Caller-Caller-ID-Number': '+4930123',
    'Caller-Callee-ID-Name': 'Outbound Call',
    'Caller-Callee-ID-Number': 'bob',
    'Caller-Destination-Number': 'bob',
    'Caller-Context': 'default',
    'Channel-Name': `${PROFILE}/bob@${callee.address}`,
    'Channel-HIT-Dialplan': 'false',
    'Answer-State': 'ringing',
  });
  t.notOk(outgoing?.['Channel-Read-Codec-Name'], 'nothing is agreed yet');
  // From here on the callee is who calls us.
  t.match(await had(esl, uuid, 'CHANNEL_PARK'), {
    'Caller-Caller-ID-Number': 'bob',
    'Caller-Callee-ID-Number': '+4930123',
    'Caller-Orig-Caller-ID-Number': '+4930123',
    'Caller-ANI': '+4930123',
    'Channel-Read-Codec-Name': 'PCMU',
    'Channel-HIT-Dialplan': 'true',
    'Answer-State': 'answered',
  });
  t.equal(await esl.api(`uuid_getvar ${uuid} seen`), 'yes');
  t.equal(await esl.api(`uuid_exists ${uuid}`), 'true');
  // FreeSWITCH's list is a moment late.
  if (!process.env.FREESWITCH) t.match(await esl.api('show channels'), new RegExp(`^${uuid},outbound,`, 'm'));
  t.equal(
    await esl.api(`originate {origination_uuid=${uuid}}${PROFILE}/bob@${callee.address} &park()`),
    '-ERR DESTINATION_OUT_OF_ORDER\n',
    'a uuid is of one call',
  );
  await esl.api(`uuid_kill ${uuid}`);
  await had(esl, uuid, 'CHANNEL_DESTROY');
  t.equal(await esl.api(`uuid_exists ${uuid}`), 'false');
});

t.test(
  'originate: what it is given to play is heard, both ways of audio flow, and its end ends the call',
  async (t) => {
    const esl = await controlled(t);
    const callee = await TestCallee.create(t, ({ accept }) => void accept());
    const uuid = freshUuid();
    const path = await wavFile(t, tone(600, 1500));
    t.equal(
      await esl.api(`originate {origination_uuid=${uuid}}${PROFILE}/bob@${callee.address} &playback(${path})`),
      `+OK ${uuid}\n`,
    );
    const { media } = await callee.call();
    await media.hearsNow(600);
    media.press('5');
    t.match(await had(esl, uuid, 'DTMF'), { 'DTMF-Digit': '5' });
    const hangup = await had(esl, uuid, 'CHANNEL_HANGUP');
    t.equal(hangup['Hangup-Cause'], 'NORMAL_CLEARING');
  },
);

t.test("originate: refusals are told by FreeSWITCH's causes", async (t) => {
  const esl = await controlled(t);
  let status = 0;
  const callee = await TestCallee.create(t, ({ call }) => void call.reject(status));
  for (const [refusal, cause] of [
    [486, 'USER_BUSY'],
    [404, 'UNALLOCATED_NUMBER'],
    [603, 'CALL_REJECTED'],
    [480, 'NO_USER_RESPONSE'],
    [503, 'NORMAL_TEMPORARY_FAILURE'],
    [488, 'INCOMPATIBLE_DESTINATION'],
  ] as const) {
    status = refusal;
    const uuid = freshUuid();
    const answer = await esl.api(`originate {origination_uuid=${uuid}}${PROFILE}/bob@${callee.address} &park()`);
    t.equal(answer, `-ERR ${cause}\n`, `${refusal}`);
    await had(esl, uuid, 'CHANNEL_DESTROY');
    await esl.until(() => happened(esl, uuid).includes('STATE DESTROY'));
    t.same(happened(esl, uuid), [...BEGINNING, 'HANGUP CONSUME_MEDIA', ...ENDING, ...GONE]);
    t.match(await had(esl, uuid, 'CHANNEL_HANGUP_COMPLETE'), { variable_sip_invite_failure_status: `${refusal}` });
  }
  for (const [url, cause] of [
    ['sofia/nothing/bob@127.0.0.1', 'INVALID_PROFILE'],
    ['sofia/gateway/carrier/bob', 'INVALID_GATEWAY'],
    [`${PROFILE}/bob`, 'USER_NOT_REGISTERED'],
    [`${PROFILE}/`, 'USER_NOT_REGISTERED'],
    ['carrierpigeon/bob', 'CHAN_NOT_IMPLEMENTED'],
    ['error/user_busy', 'USER_BUSY'],
    ['{a=b}', 'DESTINATION_OUT_OF_ORDER'],
  ] as const) {
    t.equal(await esl.api(`originate ${url} &park()`), `-ERR ${cause}\n`, url);
  }
  for (const few of ['', ' x', ` ${PROFILE}/bob@${callee.address}`]) {
    t.match(await esl.api(`originate${few}`), /^-USAGE: <call url> <exten>\|&<application_name>\(<app_args>\)/);
  }
});

t.test('originate: who does not answer in time is given up with CANCEL', async (t) => {
  const esl = await controlled(t);
  const callee = await TestCallee.create(t, ({ call }) => call.ring());
  const uuid = freshUuid();
  const url = `{origination_uuid=${uuid},originate_timeout=1}${PROFILE}/bob@${callee.address}`;
  t.equal(await esl.api(`originate ${url} &park()`), '-ERR NO_ANSWER\n');
  const { call } = await callee.call();
  if (call.isOpen) await new Promise<void>((resolve) => call.once('failed', resolve));
  await esl.until(() => happened(esl, uuid).includes('STATE DESTROY'));
  t.same(happened(esl, uuid), [...BEGINNING, ...RINGING, 'HANGUP CONSUME_MEDIA', ...ENDING, ...GONE]);
  const started = Date.now();
  t.equal(
    await esl.api(`originate ${PROFILE}/bob@${callee.address} &park() XML default Ann 4930 1`),
    '-ERR NO_ANSWER\n',
    'so does the seventh word',
  );
  t.ok(Date.now() - started < 20_000);
  t.match((await callee.call(1)).call.request.get('From'), /^"Ann" <sip:4930@/);
});

t.test('originate: early media is enough, unless ignore_early_media; the answer is told when it comes', async (t) => {
  const esl = await controlled(t);
  const callee = await TestCallee.create(t, ({ call, answer }) => call.ring(183, { sdp: answer() }));
  const uuid = freshUuid();
  const url = `${PROFILE}/bob@${callee.address}`;
  t.equal(await esl.api(`originate {origination_uuid=${uuid}}${url} &park()`), `+OK ${uuid}\n`);
  await had(esl, uuid, 'CHANNEL_PARK');
  t.same(happened(esl, uuid), [
    ...BEGINNING,
    'PROGRESS_MEDIA CONSUME_MEDIA',
    'CALLSTATE CONSUME_MEDIA/EARLY',
    'CALL_UPDATE CONSUME_MEDIA',
    'STATE EXECUTE',
    'EXECUTE EXECUTE park',
    'PARK EXECUTE',
  ]);
  const { media, accept } = await callee.call();
  void esl.execute(uuid, 'playback', await wavFile(t, tone(700, 3000)));
  await media.hearsNow(700);
  accept();
  t.match(await had(esl, uuid, 'CHANNEL_ANSWER'), { 'Answer-State': 'answered' });
  await esl.api(`uuid_kill ${uuid}`);
  await had(esl, uuid, 'CHANNEL_DESTROY');
  const patient = freshUuid();
  // While a command is not answered FreeSWITCH sends its client no events.
  await esl.command(`bgapi originate {origination_uuid=${patient},ignore_early_media=true}${url} &park()`);
  await had(esl, patient, 'CHANNEL_PROGRESS_MEDIA');
  (await callee.call(1)).accept();
  await esl.event((event) => event['Event-Name'] === 'BACKGROUND_JOB' && event._body === `+OK ${patient}\n`);
  t.ok(await had(esl, patient, 'CHANNEL_ANSWER'));
  await esl.api(`uuid_kill ${patient}`);
});

t.test(
  'originate: of several the first to answer stays; those after a bar are called when those before failed',
  async (t) => {
    const esl = await controlled(t);
    const busy = await TestCallee.create(t, ({ call }) => void call.reject(486));
    const slow = await TestCallee.create(t, ({ call }) => call.ring());
    const quick = await TestCallee.create(t, ({ accept }) => void accept());
    const [first, second, third] = [freshUuid(), freshUuid(), freshUuid()];
    const leg = (uuid: string, callee: TestCallee): string =>
      `[origination_uuid=${uuid}]${PROFILE}/bob@${callee.address}`;
    t.equal(await esl.api(`originate ${leg(first, busy)}|${leg(second, quick)} &park()`), `+OK ${second}\n`);
    t.match(await had(esl, first, 'CHANNEL_HANGUP'), { 'Hangup-Cause': 'USER_BUSY' });
    const fourth = freshUuid();
    t.equal(await esl.api(`originate ${leg(third, slow)},${leg(fourth, quick)} &park()`), `+OK ${fourth}\n`);
    t.match(await had(esl, third, 'CHANNEL_HANGUP'), { 'Hangup-Cause': 'LOSE_RACE' });
    for (const uuid of [second, fourth]) await esl.api(`uuid_kill ${uuid}`);
  },
);

t.test('originate: an inline list is executed; an extension has no dialplan to go to', async (t) => {
  const esl = await controlled(t);
  const callee = await TestCallee.create(t, ({ accept }) => void accept());
  const url = `${PROFILE}/bob@${callee.address}`;
  const uuid = freshUuid();
  t.equal(
    await esl.api(`originate {origination_uuid=${uuid}}${url} 'set:x=1,playback:silence_stream://60' inline`),
    `+OK ${uuid}\n`,
  );
  await had(esl, uuid, 'CHANNEL_DESTROY');
  const executed = eventsOf(esl, uuid).filter((event) => event['Event-Name'] === 'CHANNEL_EXECUTE_COMPLETE');
  t.same(
    executed.map((event) => [event.Application, event.variable_x]),
    [
      ['set', '1'],
      ['playback', '1'],
    ],
  );
  t.equal((await had(esl, uuid, 'CHANNEL_HANGUP'))['Hangup-Cause'], 'NORMAL_CLEARING');
  const lost = freshUuid();
  t.equal(await esl.api(`originate {origination_uuid=${lost}}${url} 1000 XML nowhere`), `+OK ${lost}\n`);
  t.equal((await had(esl, lost, 'CHANNEL_HANGUP'))['Hangup-Cause'], 'NO_ROUTE_DESTINATION');
});

t.test('originate: a call that is placed can be hung up while it rings, bridged when it is there', async (t) => {
  const esl = await controlled(t);
  const ringing = await TestCallee.create(t, ({ call }) => call.ring());
  const uuid = freshUuid();
  await esl.command(`bgapi originate {origination_uuid=${uuid}}${PROFILE}/bob@${ringing.address} &park()`);
  await had(esl, uuid, 'CHANNEL_PROGRESS');
  t.equal(await esl.api(`uuid_kill ${uuid}`), '+OK\n');
  const { call } = await ringing.call();
  if (call.isOpen) await new Promise<void>((resolve) => call.once('failed', resolve));
  await esl.event((event) => event['Event-Name'] === 'BACKGROUND_JOB' && event._body === '-ERR NORMAL_CLEARING\n');
  const callee = await TestCallee.create(t, ({ accept }) => void accept());
  const legs = [freshUuid(), freshUuid()];
  for (const leg of legs) {
    await esl.api(`originate {origination_uuid=${leg}}${PROFILE}/bob@${callee.address} &park()`);
  }
  t.equal(await esl.api(`uuid_bridge ${legs[0]} ${legs[1]}`), `+OK ${legs[1]}\n`);
  const [a, b] = [await callee.call(0), await callee.call(1)];
  a.media.say(tone(900, 4000));
  await b.media.hearsNow(900);
  await esl.api(`uuid_kill ${legs[0]}`);
  await had(esl, legs[1]!, 'CHANNEL_DESTROY');
});

t.test('originate: a paused server places no calls', async (t) => {
  const server = await startServer(t);
  const esl = await EslClient.connect(t, server);
  await esl.next(({ text }) => text === '+OK accepted');
  const callee = await TestCallee.create(t, ({ accept }) => void accept());
  t.equal(await esl.api('fsctl pause outbound'), '+OK\n');
  t.equal(await esl.api('fsctl pause_check outbound'), 'true');
  t.equal(await esl.api('fsctl pause_check inbound'), 'false');
  t.equal(await esl.api('fsctl ready_check'), 'false');
  const originate = `originate ${PROFILE}/bob@${callee.address} &park()`;
  t.equal(await esl.api(originate), '-ERR DESTINATION_OUT_OF_ORDER\n');
  t.equal(await esl.api('fsctl resume outbound'), '+OK\n');
  t.match(await esl.api(originate), /^\+OK /);
});

t.test('originate: no bracket, header or number that a client writes breaks the INVITE or the server', async (t) => {
  const server = await startServer(t);
  const esl = await EslClient.connect(t, server);
  await esl.next(({ text }) => text === '+OK accepted');
  const callee = await TestCallee.create(t, ({ call }) => void call.reject(486));
  const to = `${PROFILE}/bob@${callee.address}`;
  for (const url of [
    `{origination_caller_id_number='a"b>\\r\\nX-Evil:1',sip_h_X-Good=1,sip_h_Bad\\sName=2}${to}`,
    `{sip_h_X-A='1\\r\\nX-Evil:\\s2'}${to}`,
    `{sip_h_Via=evil,sip_h_From=evil,sip_h_l=0,sip_h_Call-ID=evil}${to}`,
    `{origination_caller_id_name='\\r\\nX-Evil:\\s3'}${to}`,
  ]) {
    t.equal(await esl.api(`originate ${url} &park()`), '-ERR USER_BUSY\n', url);
  }
  for (const { call } of callee.calls) {
    t.equal(call.request.get('X-Evil'), undefined);
    for (const name of ['Via', 'From', 'Call-ID', 'Content-Length']) t.equal(call.request.getAll(name).length, 1);
    t.match(call.request.get('From'), /^("[^\r\n]*" )?<sip:[^<>"\s]*@127\.0\.0\.1>;tag=\w+$/);
  }
  for (const url of [
    '{',
    '[',
    '{a',
    '[a=1',
    '|',
    ',',
    ',|,',
    `{${'a=1,'.repeat(2000)}}x`,
    `${PROFILE}/a@`,
    `${PROFILE}/a@127.0.0.1:1;transport=tcp`,
    `${PROFILE}/a@127.0.0.1:1;transport=tls`,
    `${PROFILE}/a@127.0.0.1:1;transport=ws`,
    `${PROFILE}/a@127.0.0.1:1;transport=pigeon`,
    `${PROFILE}/@`,
  ]) {
    t.match(await esl.api(`originate ${url} &park()`), /^-ERR [A-Z_]+\n$/, url.slice(0, 20));
  }
  const allGone = async (): Promise<void> => {
    while (server.channels.size > 0) await esl.api('echo');
  };
  await allGone();
  await esl.command('event json BACKGROUND_JOB');
  const jobs = [1, 2].map(() => esl.command(`bgapi originate {origination_uuid=same}${to} &park()`));
  await Promise.all(jobs);
  await esl.api('hupall');
  const answers = (): (string | undefined)[] => esl.events.map((event) => event._body);
  await esl.until(() => answers().length === 2);
  t.ok(answers().includes('-ERR DESTINATION_OUT_OF_ORDER\n'), 'of two that ask for one name at once one is placed');
  t.equal(await esl.api(`originate ${to} &park()`), '-ERR USER_BUSY\n');
  await allGone();
});
