import { choice, flag, number, ref, type Static, text, textOrTexts, type VerbSchema, verb, when } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'fax',
  'Sends or receives a fax on the call (T.30 over audio or T.38).',
  {
    action: choice(['send', 'receive'], 'what to do'),
    url: textOrTexts('document to send, TIFF or PDF, or several in order; required to send'),
    stationId: text('own station identifier, at most 20 characters; default is the own number'),
    header: text('line printed at the top of each page sent; default none'),
    t38: choice(
      ['auto', 'never', 'always'],
      'T.38: when the far end wants it, never, or asked for by us; default auto',
    ),
    ecm: flag('error correction; default true'),
    maxBitrate: number('bit/s at most: 14400, 12000, 9600, 7200, 4800 or 2400; default 14400'),
    maxPages: number('pages to receive at most; default no limit'),
    timeout: number('seconds to wait for the far end to start; default 60'),
    actionHook: ref(hook, 'called at the end with `fax_result`'),
    eventHook: ref(hook, 'receives negotiation and each page'),
  },
  ['action'],
  when({ properties: { action: { const: 'send' } } }, { required: ['url'] }),
);
/** Sends or receives a fax on the call (T.30 over audio or T.38). */
export interface FaxSpec extends Static<typeof schema> {}
/** Schema of {@link FaxSpec}. */
export const fax: VerbSchema<FaxSpec> = schema;
