import t from 'tap';
import type { ApplicationCommand } from '../app-client/application.js';
import { readCommand } from './read-command.js';

/** What applications send and what it means; the names are jambonz's. */
const READ: [string, Omit<ApplicationCommand, 'command'>, object][] = [
  ['redirect', { data: [{ verb: 'hangup' }], queueCommand: true }, { verbs: [{ verb: 'hangup' }], isQueued: true }],
  ['redirect', { data: { verb: 'hangup' } }, { verbs: [{ verb: 'hangup' }], isQueued: false }],
  ['redirect', { data: { call_hook: '/a' } }, { command: 'redirect:hooks', callHook: { url: '/a' } }],
  [
    'redirect',
    { data: { call_hook: { url: '/a', method: 'GET' }, child_call_hook: '/b' } },
    { command: 'redirect:hooks', callHook: { url: '/a', method: 'GET' }, childCallHook: { url: '/b' } },
  ],
  [
    'redirect',
    { data: { parent_call: [{ verb: 'pause', length: 1 }], child_call: { verb: 'hangup' } } },
    { command: 'redirect:legs', parentCall: [{ verb: 'pause', length: 1 }], childCall: [{ verb: 'hangup' }] },
  ],
  ['call:status', { data: 'completed' }, { callStatus: 'completed' }],
  ['call:status', { data: { call_status: 'no-answer' } }, { callStatus: 'no-answer' }],
  ['config', { data: { notifyEvents: true } }, { spec: { notifyEvents: true } }],
  ['dial', { data: { from: '1', to: { type: 'phone', number: '2' } } }, { body: { from: '1' } }],
  ['dub', { data: { action: 'addTrack', track: 'a' } }, { spec: { action: 'addTrack', track: 'a' } }],
  ['record', { data: { action: 'pauseCallRecording' } }, { action: 'pauseCallRecording' }],
  ['record', { data: { action: 'startCallRecording', type: 'cloud' } }, { type: 'cloud' }],
  ['mute:status', { data: 'mute' }, { isMuted: true }],
  ['mute:status', { data: { mute_status: 'unmute' } }, { isMuted: false }],
  ['conf:mute-status', { data: { conf_mute_status: 'mute' } }, { isMuted: true }],
  [
    'conf:hold-status',
    { data: { conf_hold_status: 'hold', waitHook: '/wait' } },
    { isHeld: true, waitHook: { url: '/wait' } },
  ],
  ['conf:hold-status', { data: 'unhold' }, { isHeld: false }],
  ['conf:participant-action', { data: { action: 'coach', tag: 'agent' } }, { action: 'coach', tag: 'agent' }],
  ['listen:status', { data: 'silence' }, { status: 'silence' }],
  ['listen:status', { data: { stream_status: 'pause' } }, { status: 'pause' }],
  ['stream:status', { data: { stream_status: 'resume' } }, { command: 'listen:status', status: 'resume' }],
  ['transcribe:status', { data: { transcribe_status: 'pause' } }, { status: 'pause' }],
  ['whisper', { data: { whisper: { verb: 'say', text: 'hi' } } }, { verbs: [{ verb: 'say', text: 'hi' }] }],
  ['whisper', { data: { verb: 'say', text: 'hi' } }, { verbs: [{ verb: 'say', text: 'hi' }] }],
  ['whisper', { data: [{ play: { url: '/a.wav' } }] }, { verbs: [{ verb: 'play', url: '/a.wav' }] }],
  [
    'sip:request',
    { data: { sip_request: { method: 'info', content_type: 'text/plain', content: 'hi', headers: { 'X-A': 1 } } } },
    { method: 'INFO', contentType: 'text/plain', content: 'hi', headers: { 'X-A': '1' } },
  ],
  ['sip:request', { data: { method: 'MESSAGE' } }, { method: 'MESSAGE' }],
  ['dtmf', { data: { dtmf: { digit: '1#', duration: 100 } } }, { digits: '1#', durationMs: 100 }],
  ['dtmf', { data: { digit: '1' } }, { digits: '1' }],
  ['dtmf', { data: '12' }, { digits: '12' }],
  ['boostAudioSignal', { data: -6 }, { gainDb: -6 }],
  ['boostAudioSignal', { data: '3 dB' }, { gainDb: 3 }],
  ['boostAudioSignal', { data: { boostAudioSignal: '-1.5dB' } }, { gainDb: -1.5 }],
  ['media:path', { data: 'partial-media' }, { path: 'partial-media' }],
  ['media:path', { data: { media_path: 'no-media' } }, { path: 'no-media' }],
  ['tag', { data: { a: 1 } }, { data: { a: 1 } }],
  ['llm:tool-output', { toolCallId: 't1', data: { result: 2 } }, { toolCallId: 't1', output: { result: 2 } }],
  ['llm:update', { data: { type: 'session.update' } }, { data: { type: 'session.update' } }],
  ['agent:update', { data: { type: 'generate_reply' } }, { command: 'llm:update' }],
  ['tts:tokens', { data: { id: 1, tokens: 'Hello ' } }, { id: 1, tokens: 'Hello ' }],
  ['tts:tokens', { data: { id: 1 } }, { id: 1 }],
  ['tts:flush', {}, {}],
  ['tts:clear', { data: {} }, {}],
];

for (const [command, sent, expected] of READ) {
  t.test(`command ${command} with ${JSON.stringify(sent.data)}`, async (t) => {
    t.match(readCommand({ command, ...sent }), { ok: true, command: { command, ...expected } });
  });
}

/** What is no command, with the field that is wrong. */
const FAULTS: [string, unknown, RegExp][] = [
  ['jump', {}, /^"jump" is no command/],
  ['constructor', {}, /is no command/],
  ['room:say', { text: 'hi', stream: true }, /room:say\.stream: is not available/],
  ['room:say', {}, /room:say\.text: is required/],
  ['room:play', { url: 'a.wav', replace: 'yes' }, /room:play\.replace: must be true or false/],
  ['room:play', { id: '1' }, /room:play/],
  ['noiseIsolation:status', { noise_isolation_status: 'enable' }, /no vendor of noise isolation is configured/],
  ['stt:reconfigure', {}, /not available in this version/],
  ['config', undefined, /^data: is required for config/],
  ['redirect', {}, /^data: must be a list of verbs/],
  ['redirect', [{ verb: 'sya' }], /sya/],
  ['redirect', { call_hook: '/a', child_call: [] }, /^call_hook: cannot stand beside/],
  ['redirect', { call_hook: 5 }, /^call_hook: /],
  ['redirect', { child_call_hook: { method: 'GET' } }, /^child_call_hook.*url/],
  ['redirect', { child_call: [{ verb: 'say', text: 5 }] }, /^child_call\[0\]/],
  ['call:status', 'over', /^call_status: must be one of completed, no-answer/],
  ['call:status', {}, /^call_status: /],
  ['config', { bargeIn: 5 }, /^bargeIn: /],
  ['dub', { action: 'addTrack' }, /track/],
  ['record', { action: 'startCallRecording', type: 'siprec' }, /^record\.siprecServerURL: is required/],
  ['record', { action: 'begin' }, /^record\.action: /],
  ['mute:status', { mute_status: true }, /^mute_status: must be one of mute, unmute/],
  ['conf:participant-action', { action: 'coach' }, /^data\.tag: is required for coach/],
  ['conf:participant-action', { action: 'dance' }, /^data\.action: must be one of/],
  ['listen:status', { status: 'pause' }, /^listen_status: /],
  ['whisper', { whisper: '/hook' }, /^whisper: must be a verb/],
  ['whisper', { whisper: { verb: 'hangup' } }, /^whisper: must hold only say, play, pause, not hangup/],
  ['whisper', { whisper: { verb: 'say', text: 5 } }, /^whisper.*text/],
  ['sip:request', { sip_request: { method: 'BYE' } }, /^sip_request\.method: must not be BYE/],
  ['sip:request', { method: 'INFO', content: 'x' }, /^sip_request\.content_type: is required/],
  ['sip:request', { method: 'INFO', headers: { 'X-A': 'a\r\nB: c' } }, /^sip_request\.headers\.X-A: /],
  ['sip:request', { method: 'IN FO' }, /^sip_request\.method: /],
  ['dtmf', { digit: 'x' }, /^dtmf\.digit: must be keys/],
  ['dtmf', { digit: '1', duration: 'long' }, /^dtmf\.duration: /],
  ['boostAudioSignal', 'loud', /^boostAudioSignal: must be a number of dB/],
  ['boostAudioSignal', 400, /^boostAudioSignal: /],
  ['media:path', 'direct', /^media_path: must be one of no-media/],
  ['tag', 'blue', /^data: must be an object/],
  ['llm:tool-output', { result: 1 }, /^tool_call_id: /],
  ['tts:tokens', { tokens: 'a' }, /^id: /],
];

/** JSON that can be read, but is too deep to be written again. */
const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);

t.test('data that is too deep, or too much, is refused whatever the command', async (t) => {
  for (const command of ['tag', 'llm:update', 'dial', 'config', 'redirect', 'llm:tool-output']) {
    const read = readCommand({ command, toolCallId: 't', data: { a: deep } });
    t.match(read, { ok: false, field: /^data\.a/, reason: /must be at most 100 deep/ }, command);
  }
  t.match(readCommand({ command: 'tag', data: { a: 'x'.repeat(300_000) } }), { ok: false, reason: /characters/ });
});

t.test('what is no command is named in short', async (t) => {
  const read = readCommand({ command: 'x'.repeat(1_000_000), data: {} });
  t.ok(!read.ok && read.reason.length < 2_000);
});

for (const [command, data, reason] of FAULTS) {
  t.test(`command ${command} with ${JSON.stringify(data)} is refused with field and reason`, async (t) => {
    t.match(readCommand({ command, data }), { ok: false, reason });
  });
}
