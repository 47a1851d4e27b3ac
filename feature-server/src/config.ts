import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ConfigOf,
  drachtioVars,
  encryptionVars,
  flag,
  freeswitchVars,
  httpVars,
  integer,
  mysqlVars,
  oneOf,
  optionalText,
  privateAddresses,
  recordingVars,
  redisVars,
  text,
} from '@ringwire/common';
import { type ConversationLimits, DEFAULT_CONVERSATION_LIMITS } from './app-client/ws-application-options.js';

/** Every variable that a feature server reads, besides those of all processes (`LOG_LEVEL`, `INSTANCE_ID`, …). */
export const featureServerVars = {
  ...httpVars,
  ...mysqlVars,
  ...redisVars,
  ...drachtioVars,
  ...freeswitchVars,
  ...encryptionVars,
  AUDIO_LISTEN_ADDRESS: optionalText({
    doc: 'address on which the media server brings the audio of calls; default: FREESWITCH_LISTEN_ADDRESS',
  }),
  AUDIO_LISTEN_PORT: integer({
    default: 0,
    min: 0,
    max: 65_535,
    doc: 'port on which the media server brings the audio of calls; 0 takes a free one',
  }),
  SIP_ADDRESS: optionalText({
    doc: 'ip:port under which edges reach the SIP server of this process; default: what the SIP server says',
  }),
  MAX_CALLS: integer({ default: 500, min: 1, doc: 'calls at the same time; further ones are refused with 503' }),
  MAX_CALL_DURATION_MINUTES: integer({ default: 180, min: 1, max: 35_000, doc: 'longest duration of a call' }),
  HTTP_TIMEOUT_MS: integer({ default: 10_000, min: 1, doc: 'webhooks: time to the response headers' }),
  HOOK_ALLOW_PRIVATE: privateAddresses({
    default: false,
    doc: 'which private addresses hooks and media URLs may reach: none, `loopback` or all',
  }),
  WS_HANDSHAKE_TIMEOUT_MS: integer({
    default: 1_500,
    min: 1,
    doc: 'WebSocket applications: time to the end of the handshake',
  }),
  WS_ACK_TIMEOUT_MS: integer({ default: 5_000, min: 1, doc: 'WebSocket applications: time to acknowledge a message' }),
  WS_MAX_MESSAGE_KB: integer({
    default: 1024,
    min: 1,
    max: 65_536,
    doc: 'WebSocket applications: longest message that is taken',
  }),
  WS_MAX_BUFFERED_KB: integer({
    default: 1024,
    min: 1,
    doc: 'WebSocket applications: what may wait for a server that does not read',
  }),
  WS_PING_INTERVAL_MS: integer({ default: 25_000, doc: 'WebSocket applications: time between pings; 0: none go out' }),
  HOOK_FAILURE_MODE: oneOf(['decline', 'apology'], {
    default: 'decline',
    doc: "what a caller meets when the application's first hook fails: SIP 480, or a spoken apology",
  }),
  PLAY_ALLOW_FILES: flag({ default: false, doc: "whether play may name files of the media server's disk" }),
  HOLD_EVENTS: flag({
    default: false,
    doc: 'whether sipRequestWithinDialogHook hears that the far end holds the call, or takes it back',
  }),
  ANCHOR_MEDIA_ALWAYS: flag({
    default: false,
    doc: 'whether the sound of two whom dial has connected always goes through the media server; else between the edges, where nothing needs it there',
  }),
  SAY_LIST: oneOf(['all', 'one'], {
    default: 'all',
    doc: 'what a list in the text of say means: all of it in order, or one entry at random',
  }),
  TTS_CACHE_DIR: text({
    default: join(tmpdir(), 'ringwire-tts'),
    doc: 'folder of synthesized audio; must be readable by the media server',
  }),
  TTS_CACHE_MAX_MB: integer({ default: 512, min: 1, doc: 'size of the folder of synthesized audio' }),
  LEX_URL: optionalText({ doc: 'where Amazon Lex is reached, if not at its usual address in the region of the bot' }),
  DIALOGFLOW_URL: optionalText({
    doc: 'where Dialogflow is reached, if not at its usual address in the region of the agent',
  }),
  ...recordingVars,
  RECORDINGS_SPOOL_MAX_MB: integer({
    default: 20_000,
    min: 1,
    doc: 'how much of one account may wait in RECORDINGS_SPOOL_DIR for a storage that takes nothing; then its calls are not recorded',
  }),
  RECORDINGS_SPOOL_DIR: text({
    default: join(tmpdir(), 'ringwire-recordings'),
    doc: 'folder in which recordings are until they are stored; must outlive the process',
  }),
  RECORDINGS_MP3_COMMAND: optionalText({
    doc: 'program that makes MP3 of the WAV on its standard input, such as lame --quiet -b 128 - -; unset: recordings are WAV',
  }),
  VMD_HINTS_FILE: optionalText({
    doc: 'phrases of voicemail greetings for amd: a JSON object of lists by language, in place of the built-in ones',
  }),
  API_BASE_URL: optionalText({ doc: 'sent to applications as api_base_url' }),
};

/** What {@link featureServerVars} read. */
export type FeatureServerConfig = ConfigOf<typeof featureServerVars>;

/** The bounds of WebSocket applications. */
export const socketLimits = (config: FeatureServerConfig): ConversationLimits => ({
  ...DEFAULT_CONVERSATION_LIMITS,
  handshakeTimeoutMs: config.WS_HANDSHAKE_TIMEOUT_MS,
  ackTimeoutMs: config.WS_ACK_TIMEOUT_MS,
  maxMessageBytes: config.WS_MAX_MESSAGE_KB * 1024,
  maxBufferedBytes: config.WS_MAX_BUFFERED_KB * 1024,
  pingIntervalMs: config.WS_PING_INTERVAL_MS,
});
