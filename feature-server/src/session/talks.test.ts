import t from 'tap';
import { MediaServerError } from '../errors.js';
import type { DialledParty } from '../verbs/verb.js';
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
