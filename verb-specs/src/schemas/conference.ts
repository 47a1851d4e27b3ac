import { body, flag, number, ref, type Static, text, texts, type VerbSchema, verb } from '../schema.js';
import { record } from './audio.js';
import { hook } from './hook.js';
import { listen } from './listen.js';

const schema = verb(
  'conference',
  'Joins a conference room of the account.',
  {
    name: text('name of the room'),
    beep: flag('tone on joining and leaving; default false'),
    memberTag: text('tag of this member'),
    speakOnlyTo: text('only members with this tag hear this member'),
    startConferenceOnEnter: flag(
      'false waits until somebody starts the conference; true also makes a moderator; default true',
    ),
    endConferenceOnExit: flag('leaving ends the conference; default false'),
    endConferenceDuration: number('seconds after which an empty conference is torn down'),
    maxParticipants: number('most members; honoured above 1'),
    joinMuted: flag('join muted; default false'),
    actionHook: ref(hook, 'called on leaving'),
    waitHook: ref(hook, 'asked again and again for verbs while waiting: say, play, pause'),
    statusEvents: texts(
      'events for statusHook: start, end, join, leave, start-talking, stop-talking; say-start, say-done, play-start, play-done of the commands room:say and room:play',
    ),
    statusHook: ref(hook, 'receives the events'),
    enterHook: ref(hook, 'asked for verbs to play to the member on entry'),
    endHook: ref(hook, 'asked for verbs to play to the member when the conference has ended'),
    record: ref(record, 'records the room'),
    listen: ref(body(listen), 'forks the audio of the room'),
    stream: ref(body(listen), 'the same as listen'),
    distributeDtmf: flag('other members hear the digits; default false'),
  },
  ['name'],
);
/** Joins a conference room of the account. */
export interface ConferenceSpec extends Static<typeof schema> {}
/** Schema of {@link ConferenceSpec}. */
export const conference: VerbSchema<ConferenceSpec> = schema;
