/** Compiled, never run: what the types of the builder and of the verbs let through and what they refuse. */
import { type SaySpec, say, type VerbSpec, verbs } from './index.js';

verbs()
  .say({ text: 'a' })
  .gather({ input: ['digits'], say: { text: 'a' } })
  .hangup()
  .toJSON() satisfies VerbSpec[];
verbs().dial({ target: [{ type: 'phone', number: '1' }], actionHook: { url: '/a', method: 'POST' } });
verbs()
  .play({ url: ['a', 'b'], loop: 'forever' })
  .pause({ length: 1 });
say({ stream: true }) satisfies SaySpec;

// @ts-expect-error the property is misspelt
verbs().say({ txt: 'a' });
// @ts-expect-error length is required
verbs().pause();
// @ts-expect-error a number is not text
verbs().pause({ length: '1' });
// @ts-expect-error no such kind of target
verbs().dial({ target: [{ type: 'fax', number: '1' }] });
// @ts-expect-error a recognizer needs its vendor
verbs().gather({ recognizer: { language: 'en-US' } });
// @ts-expect-error no such action
verbs().config({ record: { action: 'start' } });
// @ts-expect-error the call that REST places is no verb of applications
verbs().restDial({});
// @ts-expect-error the name is not a property
say({ verb: 'say', text: 'a' });

/** The union narrows by name, so that an executor knows its specification. */
export function textOf(verb: VerbSpec): string | (string | string[])[] | undefined {
  if (verb.verb === 'say') return verb.text;
  // @ts-expect-error other verbs have no text of that kind
  return verb.numDigits;
}
