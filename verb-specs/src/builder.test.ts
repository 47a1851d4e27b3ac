import t from 'tap';
import { say, sipDecline, verbs } from './builder.js';
import { VERB_SCHEMAS } from './schemas/index.js';
import { validate } from './validate.js';

t.test('the builder writes a document that is valid', async (t) => {
  const document = verbs()
    .answer()
    .say({ text: 'Hello.' })
    .gather({ numDigits: 1, actionHook: '/choice', play: { url: 'https://example.com/a.wav' } })
    .sipRefer({ referTo: '15551234' })
    .add(say({ text: 'Bye.', id: 's' }))
    .hangup();
  const expected = [
    { verb: 'answer' },
    { verb: 'say', text: 'Hello.' },
    { verb: 'gather', numDigits: 1, actionHook: '/choice', play: { url: 'https://example.com/a.wav' } },
    { verb: 'sip:refer', referTo: '15551234' },
    { verb: 'say', text: 'Bye.', id: 's' },
    { verb: 'hangup' },
  ];
  t.strictSame(document.toJSON(), expected);
  t.strictSame(JSON.parse(JSON.stringify(document)), expected);
  t.strictSame(validate(document.toJSON()), { ok: true, verbs: expected });
});

t.test('what toJSON gave does not change when the document goes on', async (t) => {
  const document = verbs().answer();
  const before = document.toJSON();
  document.hangup();
  t.equal(before.length, 1);
  t.strictSame(sipDecline({ status: 486 }), { verb: 'sip:decline', status: 486 });
});

t.test('there is a method for every verb that an application may use', async (t) => {
  const camelCase = (name: string) => name.replace(/:(\w)/g, (_, letter: string) => letter.toUpperCase());
  const document = verbs() as unknown as Record<string, unknown>;
  const missing = Object.keys(VERB_SCHEMAS).filter((name) => typeof document[camelCase(name)] !== 'function');
  t.strictSame(missing, ['rest:dial']);
});
