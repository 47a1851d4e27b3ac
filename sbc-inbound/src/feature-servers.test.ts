import type { FeatureServerInfo } from '@ringwire/common';
import t from 'tap';
import { featureServers, mayTryNext } from './feature-servers.js';

const server = (instanceId: string, more: Partial<FeatureServerInfo> = {}): FeatureServerInfo => ({
  instanceId,
  sipAddress: `127.0.0.1:${instanceId.length}`,
  httpUrl: '',
  calls: 0,
  accepting: true,
  ...more,
});

const never = new AbortController().signal;
const everywhere = { reachable: () => true, gone: () => never };
const none = new Set<string>();

t.test('the least loaded server that accepts calls is chosen', async (t) => {
  const list = [server('busy', { calls: 5 }), server('idle', { calls: 1 }), server('draining', { accepting: false })];
  const servers = featureServers({ list: () => list }, everywhere);
  t.equal(servers.choose(none)?.instanceId, 'idle');
  t.equal(servers.choose(new Set(['idle']))?.instanceId, 'busy');
  t.equal(servers.choose(new Set(['idle', 'busy'])), null);
});

t.test('equals take turns, and what was placed since the last heartbeat counts', async (t) => {
  const servers = featureServers({ list: () => [server('a'), server('b')] }, everywhere);
  t.equal(servers.choose(none)?.instanceId, 'a');
  t.equal(servers.choose(none)?.instanceId, 'b');
  t.equal(servers.choose(none)?.instanceId, 'a');
  const release = servers.occupy('b');
  t.equal(servers.choose(none)?.instanceId, 'a');
  t.equal(servers.choose(none)?.instanceId, 'a');
  release();
  release();
  t.equal(servers.choose(none)?.instanceId, 'b');
});

t.test('a server that failed comes last, one whose SIP server is silent not at all', async (t) => {
  const servers = featureServers({ list: () => [server('a'), server('b')] }, everywhere);
  servers.avoid('a');
  t.equal(servers.choose(none)?.instanceId, 'b');
  t.equal(servers.choose(none)?.instanceId, 'b');
  const silent = featureServers({ list: () => [server('a')] }, { ...everywhere, reachable: () => false });
  t.equal(silent.choose(none), null);
});

t.test('only failures of the server itself let the next one try', async (t) => {
  const failure = (kind: 'refused' | 'gone' | 'unsent' | 'unanswered', status: number) => ({
    kind,
    status,
    reason: '',
    headers: {},
  });
  t.ok(mayTryNext(failure('refused', 503)));
  t.ok(mayTryNext(failure('gone', 503)));
  t.ok(mayTryNext(failure('unsent', 500)));
  t.notOk(mayTryNext(failure('refused', 486)));
  t.notOk(mayTryNext(failure('refused', 603)));
  t.notOk(mayTryNext(failure('unanswered', 408)));
  const declined = { 'X-Reason': 'SIP Decline Verb' };
  t.notOk(mayTryNext({ ...failure('refused', 503), headers: declined }), 'the application itself said so');
  t.notOk(mayTryNext({ ...failure('refused', 408), headers: declined }));
});
