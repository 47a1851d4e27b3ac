import t from 'tap';
import { readUpdate } from './read-update.js';

const READ: [object, object[]][] = [
  [{ call_hook: 'https://a.example/new' }, [{ command: 'redirect:hooks', callHook: { url: 'https://a.example/new' } }]],
  [
    { call_hook: '/a', child_call_hook: { url: '/b', method: 'GET' } },
    [{ callHook: { url: '/a' }, childCallHook: { url: '/b' } }],
  ],
  [
    { call_hook: '/a', child_call_hook: null, call_status_hook: null, tag: null, transfer: null },
    [{ callHook: { url: '/a' } }],
  ],
  [{ conf_hold_status: 'unhold', wait_hook: null }, [{ command: 'conf:hold-status', isHeld: false }]],
  [{ conferenceParticipantAction: { action: 'hold', wait_hook: null, tag: null } }, [{ action: 'hold' }]],
  [{ child_call_hook: '/b' }, [{ command: 'redirect:hooks', childCallHook: { url: '/b' } }]],
  [{ call_status: 'completed' }, [{ command: 'call:status', callStatus: 'completed' }]],
  [{ mute_status: 'mute' }, [{ command: 'mute:status', isMuted: true }]],
  [{ conf_mute_status: 'unmute' }, [{ command: 'conf:mute-status', isMuted: false }]],
  [
    { conf_hold_status: 'hold', waitHook: '/w' },
    [{ command: 'conf:hold-status', isHeld: true, waitHook: { url: '/w' } }],
  ],
  [{ conf_hold_status: 'hold', wait_hook: '/w' }, [{ waitHook: { url: '/w' } }]],
  [
    { conferenceParticipantAction: { action: 'tag', tag: 'a' } },
    [{ command: 'conf:participant-action', action: 'tag', tag: 'a' }],
  ],
  [{ conference_participant_action: { action: 'kick' } }, [{ action: 'kick' }]],
  [{ listen_status: 'pause' }, [{ command: 'listen:status', status: 'pause' }]],
  [{ stream_status: 'silence' }, [{ command: 'listen:status', status: 'silence' }]],
  [{ transcribe_status: 'resume' }, [{ command: 'transcribe:status', status: 'resume' }]],
  [{ whisper: { verb: 'say', text: 'hi' } }, [{ command: 'whisper', verbs: [{ verb: 'say', text: 'hi' }] }]],
  [
    { whisper: [{ verb: 'say', text: 'hi' }], mute_status: 'mute' },
    [{ command: 'mute:status' }, { command: 'whisper' }],
  ],
  [
    { sip_request: { method: 'INFO', content_type: 'a/b', content: 'c' } },
    [{ command: 'sip:request', method: 'INFO' }],
  ],
  [{ record: { action: 'stopCallRecording' } }, [{ command: 'record', action: 'stopCallRecording' }]],
  [{ dub: { action: 'removeTrack', track: 'a' } }, [{ command: 'dub', spec: { action: 'removeTrack', track: 'a' } }]],
  [{ tag: { a: { b: 1 } } }, [{ command: 'tag', data: { a: { b: 1 } } }]],
  [{ dtmf: { digit: '5' } }, [{ command: 'dtmf', digits: '5' }]],
  [{ boostAudioSignal: '-3 dB' }, [{ command: 'boostAudioSignal', gainDb: -3 }]],
  [{ media_path: 'full-media' }, [{ command: 'media:path', path: 'full-media' }]],
  [{ llm_tool_output: { result: 1 }, tool_call_id: 't' }, [{ command: 'llm:tool-output', toolCallId: 't' }]],
  [
    { room_say: { text: 'hi', id: 'a', replace: true } },
    [{ command: 'room:say', say: { text: 'hi', id: 'a' }, replaces: true }],
  ],
  [{ room_play: { url: '/a.wav' } }, [{ command: 'room:play', play: { url: '/a.wav' }, replaces: false }]],
  [
    { transfer: { mode: 'blind', target: [{ type: 'phone', number: '1' }] } },
    [{ command: 'redirect', verbs: [{ verb: 'transfer', mode: 'blind' }] }],
  ],
  [{ llm_update: { type: 'x' } }, [{ command: 'llm:update' }]],
];

for (const [body, commands] of READ) {
  t.test(`update ${JSON.stringify(body)}`, async (t) => {
    const read = readUpdate(body);
    t.match(read, { ok: true, commands });
    t.equal(read.ok && read.commands.length, commands.length);
  });
}

const FAULTS: [unknown, string, RegExp][] = [
  [{}, 'body', /must have one of call_hook/],
  [{ call_hook: null, mute_status: null }, 'body', /must have one of call_hook/],
  ['text', 'body', /must be an object/],
  [{ call_statsu: 'completed' }, 'call_statsu', /unknown field/],
  [{ call_hook: 'ftp://a.example/b' }, 'call_hook', /must be a URL of http, https, ws or wss, or relative/],
  [{ child_call_hook: { url: 'localhost:3000/b' } }, 'child_call_hook', /must be a URL of http/],
  [{ call_status: 'done' }, 'call_status', /must be one of completed, no-answer/],
  [{ call_status: 'completed', mute_status: 'mute' }, 'mute_status', /cannot stand beside call_status/],
  [{ call_hook: '/a', tag: {} }, 'tag', /cannot stand beside call_hook/],
  [{ waitHook: '/w', mute_status: 'mute' }, 'waitHook', /stands only beside conf_hold_status/],
  [{ conferenceParticipantAction: { action: 'coach' } }, 'conferenceParticipantAction.tag', /is required for coach/],
  [{ sip_request: {} }, 'sip_request.method', /must be a text/],
  [{ llm_status: 'stop' }, 'llm_status', /no vendor of language models is configured/],
  [{ llm_status: 'move-to-conference', conference: 'a' }, 'llm_status', /no vendor of language models/],
  [{ noise_isolation_status: 'enable', noise_isolation_vendor: 'krisp' }, 'noise_isolation_status', /noise isolation/],
  [{ room_say: { text: 7 } }, 'room_say.text', /./],
  [{ transfer: { mode: 'blind' } }, 'transfer.target', /./],
  [{ llm_tool_output: {} }, 'tool_call_id', /must be a text/],
  [{ whisper: { verb: 'dial' } }, 'whisper', /must hold only say, play, pause, not dial/],
];

t.test('an update that is too deep is refused; an unknown field is named in short', async (t) => {
  const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  t.match(readUpdate({ tag: { a: deep } }), { ok: false, field: /^body\.tag\.a/, reason: /must be at most 100 deep/ });
  const read = readUpdate({ ['x'.repeat(150_000)]: 1 });
  t.ok(!read.ok && read.reason.length < 2_000);
});

for (const [body, field, reason] of FAULTS) {
  t.test(`update ${JSON.stringify(body)} is refused for its field ${field}`, async (t) => {
    const read = readUpdate(body);
    t.match(read, { ok: false, reason });
    t.ok(!read.ok && read.field?.startsWith(field), read.ok ? 'it was read' : read.reason);
  });
}
