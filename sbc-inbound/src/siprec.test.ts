import { once } from 'node:events';
import type { SipDialog, SipResponse } from '@ringwire/common/sip/stack.js';
import { until } from '@ringwire/common/testing/until.js';
import type { Dialog } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { ended, NUMBER, startCaller, type TestCaller } from './testing/caller.js';
import { openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { type RecordingServer, startRecordingServer, startTone, type ToneParty } from './testing/recording-server.js';
import { type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

const CALLER_HZ = 500;
const CALLED_HZ = 900;
let stores: Stores;
let server: ServerProcess;
let sbc: SbcInbound;
let fs: TestFeatureServer;
let caller: TestCaller;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  const { controlPort } = server;
  const env = { SIPREC_ALLOW_PRIVATE: 'loopback', SIPREC_ANSWER_TIMEOUT_MS: '1000' };
  sbc = await openSbc(t, openSbcInbound, { name: 'sbc-inbound', stores, controlPort, env });
  fs = await startFeatureServer(t, stores, 'fs-one');
  await sbc.edge.featureServers.refresh();
  caller = await startCaller(t);
});

t.afterEach(async () => {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
});

/** A call whose parties send a tone each. */
interface ToneCall {
  dialog: Dialog;
  /** The feature server's end. */
  far: SipDialog;
  callId: string;
  from: ToneParty;
  callee: ToneParty;
  /** The feature server orders something. */
  order(reason: string, headers?: Record<string, string>, body?: string): Promise<SipResponse>;
}

async function connected(t: Test): Promise<ToneCall> {
  const from = await startTone(t, CALLER_HZ);
  const callee = await startTone(t, CALLED_HZ);
  const answered = new Promise<SipDialog>((resolve, reject) => {
    fs.onInvite = (request, response) => {
      fs.stack.createUAS(request, response, { localSdp: callee.sdp, headers: {} }).then((dialog) => {
        callee.sendTo(dialog.remote.sdp);
        resolve(dialog);
      }, reject);
    };
  });
  const call = caller.agent.invite({ uri: `sip:${NUMBER}@127.0.0.1:${server.sipPort}`, sdp: from.sdp });
  const dialog = await call.answered;
  const far = await answered;
  from.sendTo(dialog.remoteSdp);
  return {
    ...{ dialog, far, callId: call.callId, from, callee },
    order: (reason, headers = {}, body = '') => {
      const type: Record<string, string> = body ? { 'Content-Type': 'application/json' } : {};
      const info = { method: 'INFO', headers: { 'X-Reason': reason, ...headers, ...type }, ...(body && { body }) };
      return new Promise((resolve, reject) =>
        far.request(info, (error, response) => {
          if (error || !response) reject(error);
          else if (response.status >= 200) resolve(response);
        }),
      );
    },
  };
}

const start = (call: ToneCall, ...servers: Pick<RecordingServer, 'uri'>[]): Promise<SipResponse> =>
  call.order('startCallRecording', { 'X-Srs-Url': servers.map(({ uri }) => uri).join(',') });

const alerts = async ({ callId }: ToneCall): Promise<string[]> =>
  (await stores.events(callId)).flatMap(({ type, data }) =>
    type === 'alert' ? [(data as { message: string }).message] : [],
  );

t.test('SIPREC: the recording server gets both sides, labelled, and is told who they are', async (t) => {
  const srs = await startRecordingServer(t);
  const call = await connected(t);
  const headers = { 'X-Srs-Url': srs.uri, 'X-Srs-Recording-ID': 'mine & yours' };
  const extra = JSON.stringify({ 'X-Ticket': '42', Require: 'nothing', 'X-Account-Sid': 'forged' });
  t.equal((await call.order('startCallRecording', headers, extra)).status, 200);
  const [offer] = srs.offers;
  t.match(offer?.request.get('Require'), /^siprec$/);
  t.match(offer?.request.get('Contact'), '+sip.src');
  t.equal(offer?.request.get('X-Ticket'), '42');
  t.notOk(offer?.request.has('X-Account-Sid'));
  t.same(offer?.sdp.match(/a=(label:\d|sendonly)/g), ['a=sendonly', 'a=label:1', 'a=sendonly', 'a=label:2']);
  const metadata = offer?.metadata ?? '';
  const { callSid, accountSid } = (await stores.event('call.started', call.callId)).data;
  for (const [name, value] of [
    ['ext:callSid', callSid],
    ['ext:accountSid', accountSid],
    ['ext:recordingId', 'mine &amp; yours'],
    ['ext:callingNumber', '15550001111'],
    ['ext:calledNumber', NUMBER],
    ['sipSessionID', call.callId],
    ['datamode', 'complete'],
  ]) {
    t.match(metadata, `<${name}>${value}</${name}>`);
  }
  const participants = [...metadata.matchAll(/<participant participant_id="([^"]+)">\s*<nameID aor="([^"]+)"/g)];
  t.match(
    participants.map(([, , aor]) => aor),
    ['sip:15550001111@127.0.0.1', new RegExp(`^sip:${NUMBER}@`)],
  );
  const streams = [...metadata.matchAll(/<stream stream_id="([^"]+)"[^>]*>\s*<label>(\d)<\/label>/g)];
  t.same(
    streams.map(([, , label]) => label),
    ['1', '2'],
  );
  for (const side of [0, 1]) {
    const sends = `participant_id="${participants[side]?.[1]}">\n    <send>${streams[side]?.[1]}</send>`;
    t.ok(metadata.includes(sends), `participant ${side + 1} sends stream ${side + 1}`);
  }
  await srs.hears(0, CALLER_HZ);
  await srs.hears(1, CALLED_HZ);
  const over = ended(srs.dialog!);
  await call.dialog.bye();
  t.equal((await over).by, 'remote', 'the end of the call ends the recording session');
  t.same(await alerts(call), []);
});

t.test(
  'SIPREC: nothing is sent while it is paused, both sides again after that, and nothing once it is stopped',
  async (t) => {
    const srs = await startRecordingServer(t);
    const call = await connected(t);
    t.equal((await call.order('pauseCallRecording')).status, 400);
    t.equal((await start(call, srs)).status, 200);
    t.equal((await start(call, srs)).status, 400, 'it is being recorded already');
    await srs.hears(0, CALLER_HZ);
    const isSilent = async (): Promise<boolean> => {
      const flows = async (): Promise<void> => {
        const from = call.callee.received();
        await until('the call goes on', () => call.callee.received() > from + 10 || undefined);
      };
      await flows();
      const before = srs.received();
      await flows();
      return srs.received() === before;
    };
    t.equal((await call.order('pauseCallRecording')).status, 200);
    t.ok(await isSilent());
    t.match(srs.offers.at(-1)?.sdp, 'a=inactive');
    t.equal((await call.order('pauseCallRecording')).status, 400);
    t.equal((await call.order('resumeCallRecording')).status, 200);
    t.match(srs.offers.at(-1)?.sdp, 'a=sendonly');
    await srs.hears(0, CALLER_HZ);
    await srs.hears(1, CALLED_HZ);
    const over = ended(srs.dialog!);
    t.equal((await call.order('stopCallRecording')).status, 200);
    await over;
    t.ok(await isSilent());
    t.equal((await call.order('stopCallRecording')).status, 400);
    t.equal((await start(call, srs)).status, 200, 'and once more');
    await srs.hears(1, CALLED_HZ);
    await call.dialog.bye();
  },
);

t.test(
  'SIPREC: where one recording server refuses or is silent the next is asked; where all do the call goes on',
  async (t) => {
    const [refusing, silent, srs] = [
      await startRecordingServer(t),
      await startRecordingServer(t),
      await startRecordingServer(t),
    ];
    refusing.behave = (invite) => invite.reject(503);
    silent.behave = () => {};
    const call = await connected(t);
    t.equal((await start(call, refusing, silent, srs)).status, 200);
    await srs.hears(1, CALLED_HZ);
    t.equal((await call.order('stopCallRecording')).status, 200);
    const refused = await start(call, refusing);
    t.equal(refused.status, 503);
    t.match(refused.get('X-Reason'), '503 Service Unavailable');
    const forbidden = await start(call, { uri: 'sip:srs@10.1.2.3' }, { uri: 'https://srs.example.com' });
    t.equal(forbidden.status, 503);
    t.match(forbidden.get('X-Reason'), /private address 10\.1\.2\.3 may not be called/);
    await until('two alerts', async () => (await alerts(call)).length === 2 || undefined);
    t.match(await alerts(call), [/503 Service Unavailable/, /10\.1\.2\.3/]);
    t.equal((await call.order('startCallRecording')).status, 400);
    await call.dialog.bye();
  },
);

t.test('SIPREC: a recording server that hangs up is told of by an alert, and another may take its place', async (t) => {
  const srs = await startRecordingServer(t);
  const call = await connected(t);
  t.equal((await start(call, srs)).status, 200);
  await srs.dialog?.bye();
  await until('an alert', async () => (await alerts(call)).length > 0 || undefined);
  t.match(await alerts(call), [/the recording server has ended it/]);
  t.equal((await call.order('stopCallRecording')).status, 400);
  t.equal((await start(call, srs)).status, 200);
  await srs.hears(0, CALLER_HZ);
  await call.dialog.bye();
});

t.test('SIPREC: where a recording server hangs up as soon as it has answered the next is asked', async (t) => {
  const [hasty, srs] = [await startRecordingServer(t), await startRecordingServer(t)];
  const { relay } = sbc.edge.bridging;
  const open = relay.session;
  t.teardown(() => {
    relay.session = open;
  });
  let hung: Promise<unknown> | undefined;
  // The relay is slow: the BYE comes while it is told where the copy goes.
  relay.session = (name) => {
    const session = open.call(relay, name);
    const answer = session.answerSubscription;
    session.answerSubscription = async (sdp) => {
      await answer.call(session, sdp);
      hung ??= hasty.dialog?.bye();
      await hung;
    };
    return session;
  };
  const call = await connected(t);
  t.equal((await start(call, hasty, srs)).status, 200);
  t.equal(srs.offers.length, 1);
  await srs.hears(0, CALLER_HZ);
  t.equal((await call.order('stopCallRecording')).status, 200);
  hung = undefined;
  const alone = await start(call, hasty);
  t.equal(alone.status, 503);
  t.match(alone.get('X-Reason'), 'it hung up at once');
  t.equal((await call.order('stopCallRecording')).status, 400, 'and nothing counts as recorded');
  await call.dialog.bye();
});

t.test('SIPREC: a recording server whose answer leads to a private address is not taken', async (t) => {
  const srs = await startRecordingServer(t);
  srs.behave = (invite) => srs.accept(invite, { 'Record-Route': '<sip:127.0.0.4;lr>, <sip:0.0.0.0:9;lr>' });
  const call = await connected(t);
  const refused = await start(call, srs);
  t.equal(refused.status, 503);
  t.match(refused.get('X-Reason'), /leads elsewhere: the private address 0\.0\.0\.0 may not be called/);
  t.equal((await call.order('stopCallRecording')).status, 400);
  await call.dialog.bye();
});

t.test('SIPREC: who pauses does not wait for a recording server that is dead', async (t) => {
  const srs = await startRecordingServer(t);
  const call = await connected(t);
  t.equal((await start(call, srs)).status, 200);
  srs.onReinvite = () => {};
  t.equal((await call.order('pauseCallRecording')).status, 200);
  t.equal((await call.order('pauseCallRecording')).status, 400, 'it is paused already');
  t.equal((await call.order('stopCallRecording')).status, 200);
  await call.dialog.bye();
});

t.test('SIPREC: a recording server that no longer knows the session is told of once', async (t) => {
  const srs = await startRecordingServer(t);
  const call = await connected(t);
  for (const orders of [['pauseCallRecording'], ['pauseCallRecording', 'resumeCallRecording']]) {
    delete srs.onReinvite;
    t.equal((await start(call, srs)).status, 200);
    for (const [index, order] of orders.entries()) {
      const isLast = index === orders.length - 1;
      if (isLast) srs.onReinvite = (reinvite) => reinvite.reject(481);
      const answer = await call.order(order);
      t.equal(answer.status, isLast ? 503 : 200, order);
      if (isLast) t.match(answer.get('X-Reason'), 'the recording server has ended it');
    }
    t.equal((await call.order('stopCallRecording')).status, 400);
  }
  await call.dialog.bye();
  await stores.event('call.ended', call.callId);
  t.match(await alerts(call), [/has ended it/, /has ended it/]);
  t.equal((await alerts(call)).length, 2);
});

t.test('SIPREC: after a re-INVITE to another phone the recording server hears that one', async (t) => {
  const srs = await startRecordingServer(t);
  const call = await connected(t);
  t.equal((await start(call, srs)).status, 200);
  await srs.hears(0, CALLER_HZ);
  const other = await startTone(t, 1_300);
  call.far.on('modify', (_request, response) =>
    response.send(200, 'OK', {
      body: call.callee.sdp,
      headers: { Contact: call.far.local.contact, 'Content-Type': 'application/sdp' },
    }),
  );
  const answer = await call.dialog.reinvite(other.sdp);
  call.from.stop();
  other.sendTo(answer.bodyText);
  await srs.hears(0, 1_300);
  await srs.hears(1, CALLED_HZ);
  await call.dialog.bye();
});

t.test('SIPREC: an edge that shuts down ends the recording session', async (t) => {
  const own = await startServerProcess(t);
  const env = { SIPREC_ALLOW_PRIVATE: 'loopback' };
  const edge = await openSbc(t, openSbcInbound, { name: 'sbc-ending', stores, controlPort: own.controlPort, env });
  await edge.edge.featureServers.refresh();
  const srs = await startRecordingServer(t);
  const far = fs.nextDialog();
  fs.onInvite = (request, response) => void fs.answer(request, response);
  const { answered } = caller.call(own.sipPort, NUMBER);
  await answered;
  const dialog = await far;
  await new Promise<void>((resolve) =>
    dialog.request({ method: 'INFO', headers: { 'X-Reason': 'startCallRecording', 'X-Srs-Url': srs.uri } }, () =>
      resolve(),
    ),
  );
  const over = once(srs.dialog!, 'ended');
  await edge.close();
  await over;
});
