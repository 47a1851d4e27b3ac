import { choice, component, freeObject, object, type Static, text, textOrFreeObject } from '../schema.js';

const schema = object(
  {
    vendor: text('speech vendor, for example google, aws, microsoft, custom:<name>; default inherits the session'),
    label: text("which of the account's credentials of that vendor"),
    language: text('BCP 47 language code, for example en-US'),
    voice: textOrFreeObject("name or id of the voice, or the vendor's own voice object"),
    fallbackVendor: text('vendor used once after a failure'),
    fallbackLabel: text('credentials of the fallback vendor'),
    fallbackLanguage: text('language for the fallback vendor'),
    fallbackVoice: textOrFreeObject('voice for the fallback vendor'),
    engine: choice(['standard', 'neural', 'generative', 'long-form'], 'engine of AWS Polly; default neural'),
    gender: choice(['MALE', 'FEMALE', 'NEUTRAL'], 'wanted gender where no voice is named'),
    options: freeObject("the vendor's own tuning options, passed on as they are"),
  },
  ['vendor'],
);
/** How text is turned into speech. */
export interface SynthesizerSpec extends Static<typeof schema> {}
/** Schema of {@link SynthesizerSpec}. */
export const synthesizer = component<SynthesizerSpec>('synthesizer', 'How text is turned into speech.', schema);
