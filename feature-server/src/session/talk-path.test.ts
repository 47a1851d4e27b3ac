import t, { type Test } from 'tap';
import { MediaServerError } from '../errors.js';
import { CollectingSink, FakeEndpoint, journalOver } from '../testing/fakes.js';
import type { ChangeReply, LegChanges, LegRequest } from './call-leg.js';
import { LegSeat } from './leg-seat.js';
import { TalkPath } from './talk-path.js';

const sdp = (port: number, { codec = 'PCMU', type = 0, version = 1, more = '' } = {}): string =>
  [
    ...['v=0', `o=- 1 ${version} IN IP4 192.0.2.1`, 's=-', 'c=IN IP4 192.0.2.1', 't=0 0'],
    ...[
      `m=audio ${port} RTP/AVP ${type} 101`,
      `a=rtpmap:${type} ${codec}/8000`,
      'a=rtpmap:101 telephone-event/8000',
      more,
    ],
  ].join('\r\n');

/** One of the two over fakes: what its edge was asked, and what the test has it answer. */
class End {
  readonly asked: string[] = [];
  readonly requests: LegRequest[] = [];
  /** Answers of the edge in order; then it takes everything. */
  answers: Partial<ChangeReply>[] = [];
  made: FakeEndpoint[] = [];
  hasMediaServer = true;
  isOver = false;
  readonly seat: LegSeat;
  remoteSdp: string;

  constructor(port: number, format: Parameters<typeof sdp>[1] = {}) {
    this.remoteSdp = sdp(port, format);
    const end = this;
    const reply = (asked: string): ChangeReply => {
      this.asked.push(asked);
      const { status = 200, reason = 'OK', sdp: own = sdp(port, format) } = this.answers.shift() ?? {};
      if (status < 300) this.remoteSdp = own;
      return { status, reason, sdp: status < 300 ? own : '' };
    };
    const changes: LegChanges = {
      get remoteSdp() {
        return end.remoteSdp;
      },
      isAnswer: true,
      offer: async (offered, move) => reply(`${move} ${/m=audio (\d+)/.exec(offered)?.[1] ?? offered}`),
      askForOffer: async (move) => {
        const offered = reply(`${move} ?`);
        const ack = (answer: string) => void this.asked.push(`ACK ${/m=audio (\d+)/.exec(answer)?.[1] ?? 'nothing'}`);
        return { ...offered, ...(offered.status < 300 && { ack }) };
      },
    };
    this.seat = new LegSeat({
      callSid: `call-${port}`,
      leg: () => ({ changes }),
      onMade: () => {},
      server: {
        createEndpoint: async () => {
          if (!this.hasMediaServer) throw new MediaServerError('the media server is away');
          const endpoint = new FakeEndpoint();
          this.made.push(endpoint);
          return endpoint;
        },
      },
    });
  }

  get asEnd() {
    return {
      seat: this.seat,
      isOver: () => this.isOver,
      request: async (request: LegRequest) => {
        this.requests.push(request);
        return { status: 200, reason: 'OK' };
      },
    };
  }
}

async function talking(t: Test, caller = new End(1000), callee = new End(2000)) {
  await Promise.all([caller.seat.allocate(), callee.seat.allocate()]);
  let bridges = 0;
  let breaks = 0;
  const failures: Error[] = [];
  let tellBridged = (): void => {};
  const bridged = new Promise<void>((resolve) => {
    tellBridged = resolve;
  });
  const path = new TalkPath({
    ...{ caller: caller.asEnd, callee: callee.asEnd, journal: journalOver(new CollectingSink()) },
    bridge: async () => {
      const failure = failures.shift();
      if (failure) throw failure;
      bridges++;
      tellBridged();
    },
    onBroken: () => void breaks++,
  });
  t.teardown(() => Promise.all([caller.seat.close(), callee.seat.close()]));
  return { caller, callee, path, bridged, failures, bridges: () => bridges, breaks: () => breaks };
}

t.test('each edge is offered what the other gave, and the media server gives both back', async (t) => {
  const { caller, callee, path, bridges } = await talking(t);
  t.equal(await path.to('partial-media'), undefined);
  t.same(caller.asked, ['release-media 2000']);
  t.same(callee.asked, ['release-media 1000']);
  t.ok(caller.made[0]?.isDestroyed && callee.made[0]?.isDestroyed);
  caller.seat.passKey({ key: '5', durationMs: 100 });
  t.match(callee.requests, [{ method: 'INFO', body: 'Signal=5\r\nDuration=100\r\n' }]);
  await path.anchor();
  t.equal(caller.asked.at(-1), 'anchor-media v=0 fake');
  t.equal(callee.asked.at(-1), 'anchor-media v=0 fake');
  t.equal(bridges(), 1);
  t.equal(path.path, 'full-media');
  await path.anchor();
  t.equal(caller.asked.length, 2, 'what is there is not brought back');
});

t.test('an edge whose port changes with the offer is told to the other once more', async (t) => {
  const { caller, callee, path } = await talking(t);
  callee.answers = [{ sdp: sdp(2002) }];
  t.equal(await path.to('partial-media'), undefined);
  t.same(caller.asked, ['release-media 2000', 'release-media 2002']);
});

t.test('where an edge refuses, the sound is at the media server as before', async (t) => {
  const first = await talking(t);
  first.caller.answers = [{ status: 491, reason: 'Request Pending' }];
  t.match(await first.path.to('partial-media'), { why: /caller answered 491/, again: true });
  t.same(first.callee.asked, []);
  t.notOk(first.caller.seat.isReleased);
  const second = await talking(t);
  second.callee.answers = [{ status: 488, reason: 'Not Acceptable Here' }];
  t.match(await second.path.to('partial-media'), { why: /callee answered 488/, again: false });
  t.same(second.caller.asked, ['release-media 2000', 'anchor-media v=0 fake']);
  t.notOk(second.caller.made[0]?.isDestroyed);
  t.equal(second.path.path, 'full-media');
});

t.test('two who speak different codecs, or send keys differently, need the media server', async (t) => {
  const codecs = await talking(t, new End(1000), new End(2000, { codec: 'PCMA', type: 8 }));
  t.match(await codecs.path.to('partial-media'), { why: 'PCMU/8000 and PCMA/8000 are not the same codec' });
  const held = await talking(t, new End(1000, { more: 'a=sendonly' }));
  t.match(await held.path.to('partial-media'), { again: false });
  t.same([...codecs.caller.asked, ...held.caller.asked], [], 'nobody is asked');
});

t.test("past the edges the callee's answer goes to the caller; who refuses leaves all as it was", async (t) => {
  const { caller, callee, path } = await talking(t);
  t.equal(await path.to('no-media'), undefined);
  t.same(caller.asked, ['release-media-entirely ?', 'ACK 2000']);
  t.same(callee.asked, ['release-media-entirely 1000']);
  const other = await talking(t);
  other.callee.answers = [{ status: 488, reason: 'Not Acceptable Here' }];
  t.match(await other.path.to('no-media'), { why: /callee answered 488/ });
  t.same(other.caller.asked, ['release-media-entirely ?', 'ACK nothing']);
  t.notOk(other.caller.seat.isReleased || other.callee.seat.isReleased);
});

t.test('a way that is refused costs a released call neither its sound nor the way that it had', async (t) => {
  const { caller, callee, path, bridges } = await talking(t);
  await path.to('partial-media');
  caller.answers = [{}, { status: 504, reason: 'The far end does not answer' }];
  t.match(await path.to('no-media'), { why: /caller answered 504/, again: false });
  t.equal(path.path, 'partial-media');
  t.same(caller.asked.slice(1), ['anchor-media v=0 fake', 'release-media-entirely ?', 'release-media 2000']);
  t.ok(caller.seat.isReleased && callee.seat.isReleased);
  await path.anchor();
  t.equal(bridges(), 2);
});

t.test('nobody waits for what is under way of a call that is over', async (t) => {
  const { caller, path } = await talking(t);
  let answer = (): void => {};
  caller.seat.offer = () =>
    new Promise((resolve) => {
      answer = () => resolve({ status: 488, reason: 'Not Acceptable Here', sdp: '' });
    });
  const released = path.to('partial-media');
  await new Promise(setImmediate);
  caller.isOver = true;
  await path.close();
  answer();
  t.match(await released, { why: /488/ });
});

t.test('a media server that is away leaves a released call as it is', async (t) => {
  const { caller, callee, path, bridges } = await talking(t);
  await path.to('partial-media');
  caller.hasMediaServer = callee.hasMediaServer = false;
  await t.rejects(path.anchor(), { code: 'media/unavailable' });
  t.equal(path.path, 'partial-media');
  caller.hasMediaServer = true;
  await t.rejects(path.anchor(), { code: 'media/unavailable' });
  t.equal(caller.asked.at(-1), 'release-media 2000', 'who came back alone goes to the other again');
  t.ok(caller.seat.isReleased);
  callee.hasMediaServer = true;
  await path.anchor();
  t.equal(bridges(), 1);
});

t.test('a far end that changes its media is at the media server again, and the other one follows', async (t) => {
  const { caller, callee, path, bridged } = await talking(t);
  await path.to('partial-media');
  t.equal(await callee.seat.offered(sdp(2000, { version: 7 })), sdp(1000), 'a refresh changes nothing');
  t.ok(callee.seat.isReleased);
  t.equal(await callee.seat.offered(sdp(2000, { version: 8, more: 'a=sendonly' })), 'v=0 fake');
  await bridged;
  t.equal(path.path, 'full-media');
  t.same(callee.asked, ['release-media 1000'], 'its own re-INVITE is all that it takes');
  t.equal(caller.asked.at(-1), 'anchor-media v=0 fake');
});

t.test('while media is moved, far ends are told to come again', async (t) => {
  const { caller, path } = await talking(t);
  const released = path.to('partial-media');
  await Promise.resolve();
  await t.rejects(caller.seat.offered(sdp(1004)), { code: 'call/change-pending' });
  t.equal(await released, undefined);
});

t.test('of two of whom one has hung up the other comes back alone', async (t) => {
  const { caller, callee, path, bridges } = await talking(t);
  await path.to('partial-media');
  callee.isOver = true;
  await path.anchor();
  t.notOk(caller.seat.isReleased);
  t.equal(bridges(), 0);
});

t.test("an ACK's answer is heard also while the other one is being brought back", async (t) => {
  const { callee, path, bridged } = await talking(t);
  await path.to('partial-media');
  t.equal(await callee.seat.offered(''), 'v=0 fake', 'who asks for an offer gets one of the media server');
  await new Promise(setImmediate);
  callee.seat.isMoving = true;
  t.equal(await callee.seat.answered(sdp(2006)), `answer to ${sdp(2006)}`);
  await bridged;
});

t.test('who has tracks or another loudness at the media server stays there', async (t) => {
  const { caller, callee, path } = await talking(t);
  const { dub } = caller.made[0] as FakeEndpoint;
  dub.isInUse = true;
  t.match(await path.to('partial-media'), { why: /dub/, again: false });
  t.same([...caller.asked, ...callee.asked], [], 'nobody is asked');
  dub.isInUse = false;
  t.equal(await path.to('partial-media'), undefined);
});

t.test('what needs the media server by the time of its release keeps it', async (t) => {
  const { caller, path } = await talking(t);
  await path.to('partial-media');
  const needs: string[] = [];
  const anchored = path.anchor().then(() => needs.push('a command'));
  t.match(await path.to('partial-media', () => needs[0]), { why: 'a command', again: false });
  await anchored;
  t.equal(caller.asked.at(-1), 'anchor-media v=0 fake');
  t.notOk(caller.seat.isReleased);
});

t.test(
  'two whom the media server does not join again are told as broken, and joined when that is asked for again',
  async (t) => {
    const { path, failures, bridges, breaks } = await talking(t);
    await path.to('partial-media');
    failures.push(new MediaServerError('not bridged'));
    await t.rejects(path.anchor(), { code: 'media/unavailable' });
    t.equal(breaks(), 1);
    await path.anchor();
    t.same([bridges(), breaks()], [1, 1]);
  },
);

t.test(
  'who is back alone and cannot go to the other again is told as broken; two who are both released still hear each other',
  async (t) => {
    const { caller, callee, path, breaks } = await talking(t);
    await path.to('partial-media');
    const refusal = { status: 488, reason: 'Not Acceptable Here' };
    callee.answers = [refusal];
    await t.rejects(path.anchor(), { code: 'media/unavailable' });
    t.ok(caller.seat.isReleased && callee.seat.isReleased);
    t.equal(breaks(), 0);
    callee.answers = [refusal];
    caller.answers = [{}, refusal];
    await t.rejects(path.anchor(), { code: 'media/unavailable' });
    t.notOk(caller.seat.isReleased);
    t.equal(breaks(), 1);
  },
);
