import t from 'tap';
import { SourceLimits } from './source-limits.js';

function make(options: ConstructorParameters<typeof SourceLimits>[0]) {
  const clock = { ms: 0 };
  return { limits: new SourceLimits(options, () => clock.ms), clock };
}

function admitted(limits: SourceLimits, host: string, times: number, isAck = false): number {
  let count = 0;
  for (let i = 0; i < times; i++) if (limits.admitRequest(host, isAck) === 'admit') count++;
  return count;
}

t.test('source limits: requests come at their rate, with a burst of twice as many', async (t) => {
  const { limits, clock } = make({ requestsPerSecond: 10, refusals: 0 });
  t.equal(admitted(limits, 'a', 100), 20);
  t.equal(admitted(limits, 'b', 5), 5, 'another source is not concerned');
  clock.ms += 500;
  t.equal(admitted(limits, 'a', 100), 5);
  clock.ms += 60_000;
  t.equal(admitted(limits, 'a', 100), 20);
  t.equal(limits.limited.requests, 80 + 95 + 80);
});

t.test('source limits: a source that is refused too often is suspect until it succeeds; its ACKs pass', async (t) => {
  const { limits, clock } = make({ refusals: 3, suspectRequestsPerSecond: 2 });
  limits.noteAnswer('a', 200);
  for (const status of [404, 486, 487, 503, 401]) limits.noteAnswer('a', status);
  t.equal(admitted(limits, 'a', 10), 10, 'two refusals so far');
  limits.noteAnswer('a', 403);
  t.equal(admitted(limits, 'a', 10), 2);
  t.equal(admitted(limits, 'a', 10, true), 10);
  clock.ms += 1000;
  t.equal(admitted(limits, 'a', 10), 2);
  limits.noteAnswer('a', 200);
  t.equal(admitted(limits, 'a', 10), 10);
  t.equal(limits.limited.suspect, 16);
});

t.test(
  'source limits: a stranger is suspect sooner; in a crowd what waits for an answer counts as refused',
  async (t) => {
    const { limits } = make({ strangerRefusals: 5, strangersWaiting: 2 });
    for (let i = 0; i < 3; i++) limits.noteAnswer('a', 404);
    const open = [limits.noteOpen('a'), limits.noteOpen('a')];
    t.equal(admitted(limits, 'a', 10), 2, 'as a suspect');
    t.equal(limits.openOfStrangers, 2);
    limits.noteClosed(open.pop()!);
    t.equal(admitted(limits, 'a', 10), 10);
    limits.noteAnswer('a', 180);
    t.equal(limits.openOfStrangers, 0, 'it rings: no stranger any more');
    limits.noteClosed(open.pop()!);
    t.equal(limits.openOfStrangers, 0);
    t.equal(admitted(limits, 'a', 1000), 1000);
  },
);

t.test('source limits: a stranger whose calls wait for a slow application is not limited by that', async (t) => {
  const { limits, clock } = make({});
  const admittedOf = (host: string, times: number, isConnected: boolean): number => {
    let count = 0;
    for (let i = 0; i < times; i++) {
      clock.ms += 1000 / 30;
      if (limits.admitRequest(host, false, undefined, isConnected) !== 'admit') continue;
      limits.noteOpen(host);
      count++;
    }
    return count;
  };
  t.equal(admittedOf('udp trunk', 100, false), 100, '30 calls a second that all wait');
  t.equal(admittedOf('udp trunk', 100, false), 0, 'and that are enough');
  t.equal(admittedOf('tcp trunk', 500, true), 500);
  t.equal(admittedOf('tcp trunk', 100, true), 0);
  const half = 'five refusals';
  for (let i = 0; i < 5; i++) limits.noteAnswer(half, 404);
  t.equal(admittedOf(half, 60, false), 50, 'half as many');
});

t.test('source limits: while a thousand requests of strangers wait, ten of one address are enough', async (t) => {
  const { limits, clock } = make({});
  let passed = 0;
  // As `npm run bench -- flood` sends what is never answered: 10,000 a second from 100 addresses.
  for (let n = 0; n < 60_000; n++) {
    clock.ms = n / 10;
    const host = `10.0.0.${n % 100}`;
    if (limits.admitRequest(host, false) !== 'admit') continue;
    limits.noteOpen(host);
    passed++;
  }
  t.ok(passed <= 2400, `${passed} of 60,000: 1,000 at first, 200 a second after that`);
  let connected = 0;
  for (let n = 0; n < 60; n++) {
    clock.ms += 1000 / 30;
    if (limits.admitRequest('tcp trunk', false, undefined, true) !== 'admit') continue;
    limits.noteOpen('tcp trunk');
    connected++;
  }
  t.ok(connected >= 50, `${connected} calls of a trunk on a connection meanwhile`);
});

t.test('source limits: an answered OPTIONS or CANCEL proves nothing', async (t) => {
  const { limits } = make({ strangerRefusals: 3 });
  for (let i = 0; i < 3; i++) {
    limits.noteAnswer('a', 404, 'INVITE');
    for (const method of ['OPTIONS', 'CANCEL']) limits.noteAnswer('a', 200, method);
  }
  t.equal(admitted(limits, 'a', 10), 2);
});

t.test(
  'source limits: a suspect that goes on is hardened, one that was silent for ten minutes is forgiven',
  async (t) => {
    const { limits, clock } = make({ strangerRefusals: 5 });
    for (let i = 0; i < 50; i++) limits.noteAnswer('a', 403);
    admitted(limits, 'a', 10);
    let passed = 0;
    for (let second = 0; second < 20; second++) {
      clock.ms += 1000;
      passed += admitted(limits, 'a', 10);
    }
    t.equal(passed, 10, 'one each two seconds');
    clock.ms += 600_000;
    t.equal(admitted(limits, 'a', 10), 10);
  },
);

t.test('source limits: a hundred telephones behind one address that all register again are served', async (t) => {
  const { limits } = make({});
  const credentials = Buffer.from('REGISTER sip:h SIP/2.0\r\nAuthorization: Digest x\r\n\r\n');
  // All are challenged, which makes the address suspect.
  for (let phone = 0; phone < 100; phone++) limits.noteAnswer('nat', 401, 'REGISTER');
  admitted(limits, 'nat', 10);
  t.equal(admitted(limits, 'nat', 10), 0);
  t.equal(limits.admitRequest('nat', false, credentials), 'admit', 'the first with credentials');
  limits.noteAnswer('nat', 200, 'REGISTER');
  t.equal(admitted(limits, 'nat', 99), 99);
});

t.test('source limits: a program that says it is a scanner is not served', async (t) => {
  const { limits } = make({});
  const bytes = Buffer.from('OPTIONS sip:h SIP/2.0\r\nUser-Agent: friendly-scanner\r\n\r\n');
  t.equal(limits.admitRequest('a', false, bytes), 'drop');
  t.equal(admitted(limits, 'a', 10), 2, 'a suspect from now on');
  t.equal(limits.limited.scanner, 1);
});

t.test('source limits: strangers have a rate together and each; who is known is not concerned', async (t) => {
  const { limits, clock } = make({ strangersPerSecond: 100, strangerRequestsPerSecond: 10 });
  t.equal(admitted(limits, 'one', 150), 100);
  limits.noteAnswer('known', 200);
  let passed = 0;
  for (let n = 0; n < 1000; n++) passed += admitted(limits, `10.${n}`, 1);
  t.equal(passed, 100);
  t.equal(admitted(limits, 'known', 1000), 1000);
  clock.ms += 1000;
  passed = 0;
  for (let n = 0; n < 1000; n++) passed += admitted(limits, `11.${n}`, 1);
  t.equal(passed, 100);
});

t.test('source limits: bytes and connections have limits of their own', async (t) => {
  const { limits, clock } = make({ bytesPerSecond: 1000, connections: 2 });
  t.same([limits.admitBytes('a', 1500), limits.admitBytes('a', 600)], [true, false]);
  clock.ms += 1000;
  t.equal(limits.admitBytes('a', 900), true);
  t.same(
    [1, 2, 3].map(() => limits.admitConnection('a')),
    [true, true, false],
  );
  t.equal(limits.admitConnection('b'), true);
  limits.releaseConnection('a');
  t.equal(limits.admitConnection('a'), true);
  t.match(limits.limited, { requests: 0, suspect: 0, bytes: 1, connections: 1 });
});

t.test('source limits: trusted sources have none', async (t) => {
  const { limits } = make({ requestsPerSecond: 1, connections: 1, isTrusted: (host) => host === 'a' });
  t.equal(admitted(limits, 'a', 50), 50);
  t.same([limits.admitConnection('a'), limits.admitConnection('a')], [true, true]);
});

t.test('source limits: a million sources cost bounded memory, and the busy ones are not forgotten', async (t) => {
  const { limits } = make({ requestsPerSecond: 10, maxSources: 1000 });
  admitted(limits, 'busy', 20);
  for (let i = 0; i < 1_000_000; i++) {
    limits.admitRequest(`10.${i}`, false);
    if (i % 100 === 0 && limits.admitRequest('busy', false) === 'admit') t.fail('forgotten');
    if (limits.size > 1000) t.fail(`${limits.size} sources`);
  }
});

t.test('source limits: a carrier with 1,000 calls a second for a minute is never limited by default', async (t) => {
  const { limits, clock } = make({});
  for (let call = 0; call < 60_000; call++) {
    clock.ms = call;
    // INVITE, ACK and BYE, and every third call is refused.
    for (const isAck of [false, true, false]) limits.admitRequest('carrier', isAck);
    limits.admitBytes('carrier', 6000);
    limits.noteAnswer('carrier', call % 3 === 0 ? 404 : 200);
  }
  t.same(Object.values(limits.limited).filter(Boolean), []);
});
