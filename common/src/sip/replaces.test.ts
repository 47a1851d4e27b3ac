import t from 'tap';
import { parseReplaces, parseTags, replacesText, tagsText } from './replaces.js';

t.test('Replaces: Call-ID, both tags in any order, and early-only are read', async (t) => {
  t.same(parseReplaces('98732@sip.example.com ;from-tag=r33th4x0r ; to-tag=ff87ff;early-only'), {
    callId: '98732@sip.example.com',
    toTag: 'ff87ff',
    fromTag: 'r33th4x0r',
    earlyOnly: true,
  });
  t.match(parseReplaces('a@b;TO-TAG=1;From-Tag=2'), { toTag: '1', fromTag: '2', earlyOnly: false });
});

t.test('Replaces: without a Call-ID or a tag, and two in one, are none', async (t) => {
  const bad = ['', 'a', 'a;to-tag=1', 'a;from-tag=2', ';to-tag=1;from-tag=2', 'a b;to-tag=1;from-tag=2'];
  for (const value of [undefined, ...bad, 'a;to-tag=1;from-tag=2,b;to-tag=3;from-tag=4']) {
    t.equal(parseReplaces(value), null, value ?? 'no header');
  }
});

t.test('Replaces and the tags of a dialog are written as they are read', (t) => {
  const replaces = { callId: 'a@b', toTag: 'ours', fromTag: 'theirs', earlyOnly: true };
  t.same(parseReplaces(replacesText(replaces)), replaces);
  const { toTag, fromTag } = replaces;
  t.same(parseTags(tagsText({ toTag, fromTag })), { toTag, fromTag });
  for (const text of [undefined, '', 'to-tag=;from-tag=x', 'from-tag=a;to-tag=b']) t.equal(parseTags(text), undefined);
  t.end();
});
