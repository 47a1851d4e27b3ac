import t from 'tap';
import { startServer, TestCaller } from './test-peer.js';

t.test('uuid_kill: the BYE has the cause as FreeSWITCH writes it, and headers of the client', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  for (const [wanted, name, q850, reason] of [
    ['USER_BUSY', 'USER_BUSY', '17', 'Q.850;cause=17;text="USER_BUSY"'],
    ['21', 'CALL_REJECTED', '21', 'Q.850;cause=21;text="CALL_REJECTED"'],
    ['media_timeout', 'MEDIA_TIMEOUT', '16', 'SIP;cause=804;text="MEDIA_TIMEOUT"'],
    ['LOSE_RACE', 'LOSE_RACE', '16', 'SIP;cause=200;text="Call completed elsewhere"'],
    ['120', 'UNKNOWN', '120', 'Q.850;cause=120;text="UNKNOWN"'],
    ['no such cause', 'NORMAL_CLEARING', '16', 'Q.850;cause=16;text="NORMAL_CLEARING"'],
  ] as const) {
    const { dialog, esl, uuid } = await caller.call();
    await esl.api(`uuid_setvar ${uuid} sip_bye_h_X-Why because`);
    const ended = new Promise<{ request?: { get(name: string): string | undefined } }>((resolve) =>
      dialog.once('ended', resolve),
    );
    t.equal(await esl.api(`uuid_kill ${uuid} ${wanted}`), '+OK\n');
    const { request } = await ended;
    t.equal(request?.get('Reason'), reason);
    t.equal(request?.get('X-Why'), 'because');
    const event = await esl.event((found) => found['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE');
    t.match(event, {
      'Hangup-Cause': name,
      variable_hangup_cause: name,
      variable_hangup_cause_q850: q850,
      variable_sip_hangup_disposition: 'send_bye',
    });
  }
});

t.test('disable_q850_reason and sip_reason change what the BYE says', async (t) => {
  const caller = await TestCaller.create(t, await startServer(t));
  for (const [name, value, reason] of [
    ['disable_q850_reason', 'true', undefined],
    ['sip_reason', 'SIP;cause=486;text="Busy"', 'SIP;cause=486;text="Busy"'],
  ] as const) {
    const { dialog, esl, uuid } = await caller.call();
    await esl.api(`uuid_setvar ${uuid} ${name} ${value}`);
    const ended = new Promise<{ request?: { get(name: string): string | undefined } }>((resolve) =>
      dialog.once('ended', resolve),
    );
    await esl.api(`uuid_kill ${uuid}`);
    t.equal((await ended).request?.get('Reason'), reason);
  }
});

t.test(
  "the peer's BYE gives the cause, its headers become variables, and the other side of a bridge tells it on",
  async (t) => {
    const caller = await TestCaller.create(t, await startServer(t));
    const a = await caller.call();
    const b = await caller.call();
    await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
    const ended = new Promise<{ request?: { get(name: string): string | undefined } }>((resolve) =>
      b.dialog.once('ended', resolve),
    );
    await a.dialog.bye({ Reason: 'Q.850;cause=17;text="Busy"', 'X-Last': 'word' });
    t.match(await a.esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE'), {
      'Hangup-Cause': 'USER_BUSY',
      variable_sip_term_status: '200',
      variable_sip_term_cause: '17',
      variable_proto_specific_hangup_cause: 'sip:200',
      variable_sip_hangup_disposition: 'recv_bye',
      'variable_sip_bye_h_X-Last': 'word',
      variable_sip_reason: 'Q.850;cause=17;text="Busy"',
    });
    t.equal((await ended).request?.get('Reason'), 'Q.850;cause=17;text="Busy"');
    t.match(await b.esl.event((event) => event['Event-Name'] === 'CHANNEL_HANGUP_COMPLETE'), {
      'Hangup-Cause': 'NORMAL_CLEARING',
      variable_last_bridge_hangup_cause: 'USER_BUSY',
      variable_last_bridge_proto_specific_hangup_cause: 'sip:200',
    });
  },
);
