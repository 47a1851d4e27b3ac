import {
  anyList,
  choice,
  choices,
  component,
  described,
  flag,
  list,
  number,
  object,
  ref,
  type Static,
  text,
  texts,
} from '../schema.js';

const diarizationSchema = object({
  speaker_sensitivity: number('how readily a new speaker is assumed, 0 to 1'),
  max_speakers: number('most speakers to assume'),
});
const conversationSchema = object({
  end_of_utterance_silence_trigger: number('seconds of silence that end the utterance; default 0.5'),
});
const punctuationSchema = object({
  permitted_marks: texts('punctuation marks that may appear'),
  sensitivity: number('how readily marks are set, 0 to 1'),
});
const audioFilteringSchema = object({ volume_threshold: number('volume below which audio is ignored, 0 to 100') }, [
  'volume_threshold',
]);
const replacement = object({ from: text('text to replace'), to: text('its replacement') }, ['from', 'to']);
const transcriptFilteringSchema = object({
  remove_disfluencies: flag('remove hesitations; default false'),
  replacements: list(replacement, 'replacements in the transcript'),
});
const transcriptionSchema = object({
  language: text('language code; default is that of the recognizer'),
  domain: text('domain of the language pack'),
  additional_vocab: anyList('words to favour, as text or {content, sounds_like}'),
  diarization: text('kind of speaker detection'),
  speaker_diarization_config: described(diarizationSchema, 'tuning of the speaker detection'),
  conversation_config: described(conversationSchema, 'when an utterance ends'),
  enable_partials: flag('return partial transcripts; default false'),
  max_delay: number('seconds until words become final; default 0.7'),
  max_delay_mode: choice(['fixed', 'flexible'], 'whether the delay may stretch for an entity; default flexible'),
  output_locale: text('spelling of the transcript, for example en-GB'),
  punctuation_overrides: described(punctuationSchema, 'tuning of the punctuation'),
  operating_point: text('accuracy of the model, standard or enhanced'),
  model: text('model'),
  enable_entities: flag('mark entities; default false'),
  audio_filtering_config: described(audioFilteringSchema, 'which audio is ignored'),
  transcript_filtering_config: described(transcriptFilteringSchema, 'what is removed from the transcript'),
});
/** Transcription by Speechmatics. */
export interface SpeechmaticsTranscription extends Static<typeof transcriptionSchema> {}
/** Schema of {@link SpeechmaticsTranscription}. */
export const speechmaticsTranscription = component<SpeechmaticsTranscription>(
  'speechmaticsTranscription',
  'Transcription by vendor speechmatics.',
  transcriptionSchema,
);

const translationSchema = object(
  {
    target_languages: texts('languages to translate into'),
    enable_partials: flag('return partial translations; default false'),
  },
  ['target_languages'],
);
const audioEventsSchema = object({ types: choices(['applause', 'music', 'laughter'], 'events to report') });
const speechmaticsSchema = object({
  host: text('host of the service'),
  profile: choice(['adaptive', 'agile', 'smart', 'external'], 'profile of turn detection'),
  transcription_config: ref(speechmaticsTranscription, 'transcription'),
  translation_config: described(translationSchema, 'translation'),
  audio_events_config: described(audioEventsSchema, 'events other than speech'),
  audio_events_config_config: described(audioEventsSchema, 'older spelling of audio_events_config'),
});
/** Speechmatics' options. */
export interface SpeechmaticsOptions extends Static<typeof speechmaticsSchema> {}
/** Schema of {@link SpeechmaticsOptions}. */
export const speechmaticsOptions = component<SpeechmaticsOptions>(
  'speechmaticsOptions',
  'Recognizer options of vendor speechmatics.',
  speechmaticsSchema,
);
