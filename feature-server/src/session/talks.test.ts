import { createLogger } from '@ringwire/common';
import t from 'tap';
import { MediaServerError } from '../errors.js';
import { FakeEndpoint, FakeLeg } from '../testing/fakes.js';
import type { DialledParty } from '../verbs/call-dial.js';
import { admitGuest } from './guest.js';
import { joinTalks, type Talk, Talks } from './talks.js';

const replaces = { callId: 'a@phone', toTag: 'edge', fromTag: 'phone', earlyOnly: false };
const named = { accountSid: 'acc-1', user: 'alice@example.com', replaces };
const talkOf = (user: string, callId: string): Talk =>
  ({
    telephone: { accountSid: 'acc-1', user, dialog: { callId, toTag: 'edge', fromTag: 'phone' } },
  }) as Partial<Talk> as Talk;

t.test('a talk is found by Call-ID and both tags, for its own user alone, until it is removed', (t) => {
  const talks = new Talks();
  const talk = talkOf('alice@example.com', 'a@phone');
  const remove = talks.add(talk);
  t.equal(talks.find(named), talk);
  t.equal(talks.find({ ...named, user: 'Alice@example.com' }), talk);
  t.equal(talks.find({ ...named, user: 'bob@example.com' }), undefined, 'another user');
  t.equal(talks.find({ ...named, accountSid: 'acc-2' }), undefined, 'another account');
  for (const wrong of [{ callId: 'b' }, { toTag: 'phone', fromTag: 'edge' }, { toTag: 'x' }, { fromTag: '' }])
    t.equal(talks.find({ ...named, replaces: { ...replaces, ...wrong } }), undefined, JSON.stringify(wrong));
  remove();
  t.equal(talks.find(named), undefined);
  t.equal(talks.count, 0);
  talks.add({ ...talk, telephone: undefined });
  t.equal(talks.count, 0, 'who is no user has no talk that can be named');
  t.end();
});

t.test('a talk that came later under the same Call-ID stays when the first goes', (t) => {
  const talks = new Talks();
  const remove = talks.add(talkOf('alice@example.com', 'a@phone'));
  const second = talkOf('alice@example.com', 'a@phone');
  talks.add(second);
  remove();
  t.equal(talks.find(named), second);
  t.end();
});

t.test('parties that the media server does not join are both ended', async (t) => {
  const ended: string[] = [];
  const party = (name: string): DialledParty =>
    ({
      join: async () => {
        throw new MediaServerError('no such channel');
      },
      end: async () => void ended.push(name),
    }) as Partial<DialledParty> as DialledParty;
  const talk = (name: string): Talk =>
    ({
      ...talkOf('alice@example.com', name),
      ...{ callSid: name, goesOn: false, bridged: Promise.resolve(), leave: () => party(name), admit: () => {} },
    }) as Talk;
  const handed: unknown[] = [];
  await t.rejects(
    joinTalks(talk('one'), talk('other'), (...both) => handed.push(both)),
    MediaServerError,
  );
  t.same(ended, ['one', 'other']);
  t.equal(handed.length, 1);
});

t.test('a party that is gone when the others are bridged is not joined: the other is ended', async (t) => {
  const ended: string[] = [];
  const talk = (name: string, isEnded: boolean): Talk => {
    const party = { isEnded, join: () => t.fail('nobody is joined'), end: async () => void ended.push(name) };
    const leave = () => party as unknown as DialledParty;
    return {
      callSid: name,
      goesOn: false,
      bridged: Promise.resolve(),
      leave,
      admit: () => {},
    } as Partial<Talk> as Talk;
  };
  await t.rejects(
    joinTalks(talk('one', true), talk('other', false), () => {}),
    MediaServerError,
  );
  t.same(ended, ['one', 'other']);
});

t.test('a guest whose talk ends while he is answered is hung up, and the talk left alone', async (t) => {
  const leg = new FakeLeg();
  const endpoint = new FakeEndpoint();
  let isClosed = false;
  leg.answer = async () => {
    leg.isAnswered = true;
    isClosed = true;
  };
  let reserved = 0;
  const talk = {
    ...{ callSid: 'one', goesOn: true, bridged: Promise.resolve(), isClosed: () => isClosed },
    reserve: () => {
      reserved++;
      return () => void reserved--;
    },
    leave: () => t.fail('nobody is given away'),
    admit: () => t.fail('nobody is let in'),
    release: () => t.fail('nobody is released'),
  } as unknown as Talk;
  let released = 0;
  await admitGuest(leg, talk, {
    mediaServer: { available: true, createEndpoint: async () => endpoint },
    logger: createLogger({ name: 'test', level: 'silent' }),
    callSid: 'guest',
    handOver: () => t.fail('nobody is handed over'),
    onReleased: () => released++,
  });
  t.match(await leg.actions.take('BYE'), { sent: 'BYE' });
  t.ok(endpoint.isDestroyed);
  t.same([reserved, released], [0, 1]);
});
