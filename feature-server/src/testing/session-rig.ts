/** A session over fakes of SIP, media and vendor, and a real web server as its application. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpApplication } from '../app-client/http-application.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { noRooms } from '../rooms/call-rooms.js';
import { CallInfo } from '../session/call-info.js';
import type { LedgerEntry } from '../session/call-ledger.js';
import { CallSession } from '../session/call-session.js';
import { SessionBots } from '../session/session-bots.js';
import { SessionDefaults } from '../session/session-defaults.js';
import type { CallSessionOptions, SessionPolicy } from '../session/session-options.js';
import { Talks } from '../session/talks.js';
import { RecognitionService } from '../speech/recognition-service.js';
import { SpeechService } from '../speech/speech-service.js';
import { TtsCache } from '../speech/tts-cache.js';
import { VERBS } from '../verbs/registry.js';
import { type Answer, ApplicationServer } from './application-server.js';
import { FakeRecognizer } from './fake-recognizer.js';
import { CollectingSink, FakeLeg, FakeMediaServer, FakeSynthesizer, journalOver, silentLogger } from './fakes.js';

/** Everything a test of a session looks at. */
export interface SessionRig {
  app: ApplicationServer;
  leg: FakeLeg;
  media: FakeMediaServer;
  vendor: FakeSynthesizer;
  recognizer: FakeRecognizer;
  sink: CollectingSink;
  session: CallSession;
  ledger: Map<string, LedgerEntry>;
  /** Resolves when the session is over. */
  run(): Promise<void>;
}

/** Makes a session whose call hook is `/hook` and whose status hook is `/status` of a real web server. */
export async function makeSession(
  t: Test,
  first: Answer | undefined,
  overrides: Partial<CallSessionOptions> = {},
  policy: Partial<SessionPolicy> = {},
): Promise<SessionRig> {
  const app = await ApplicationServer.start();
  t.teardown(() => app.stop());
  app.checkPayloads(t);
  if (first !== undefined) app.on('/hook', first);
  app.on('/status', (response) => response.writeHead(204).end());
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-session-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const guard = new AddressGuard({ allowPrivate: true });
  const client = new HttpClient(guard);
  t.teardown(() => client.close());
  const sink = new CollectingSink();
  const journal = journalOver(sink);
  const leg = new FakeLeg();
  const media = new FakeMediaServer();
  const vendor = new FakeSynthesizer();
  const recognizer = new FakeRecognizer();
  const ledger = new Map<string, LedgerEntry>();
  const callHook = { url: `${app.url}/hook` };
  const session = new CallSession({
    leg,
    journal,
    guard,
    info: new CallInfo({
      callSid: 'call-1',
      direction: 'inbound',
      from: '15551234',
      to: '15550100',
      callId: 'sip-call-id',
      accountSid: 'acc-1',
      serviceProviderSid: 'sp-1',
      applicationSid: 'app-1',
      traceId: 'a'.repeat(32),
      callerName: 'Jane',
      fsSipAddress: '127.0.0.1:5070',
      sbcCallid: 'outer-call-id',
      originatingSipIp: '127.0.0.9',
      originatingSipTrunkName: 'carrier',
    }),
    application: new HttpApplication({ client, journal, callHook, traceId: 'a'.repeat(32), webhookSecret: 's' }),
    sources: { callHook },
    statusHook: { url: `${app.url}/status` },
    initialExtras: { sip: { method: 'INVITE', headers: { 'X-Own-Key': 'as is' } }, envVars: { API_KEY: 'k' } },
    defaults: new SessionDefaults({
      synthesizer: { vendor: 'espeak', language: 'en-US', voice: 'en-us' },
      recognizer: { vendor: 'google', language: 'en-US' },
    }),
    mediaServer: media,
    speech: new SpeechService({
      vendors: [vendor],
      defaultVendor: 'espeak',
      cache: await TtsCache.open({ dir, maxBytes: 1_000_000, logger: silentLogger }),
    }),
    recognition: new RecognitionService({ vendors: [recognizer], defaultVendor: 'google' }),
    dialler: {
      place: () => ({
        outcome: Promise.resolve({ ok: false, status: 503, reason: 'nobody is called in these tests' }),
        onModify: () => {},
        onDigit: () => {},
        onRefer: () => {},
        peerHost: undefined,
        request: async () => ({ status: 200, reason: 'OK' }),
        onRequest: () => {},
        onEnd: () => {},
        end: async () => {},
      }),
    },
    talks: new Talks(),
    bots: new SessionBots(client, {}),
    messages: { send: async () => ({ messageSid: 'message-1', messageStatus: 'system error' }) },
    rooms: noRooms,
    registry: VERBS,
    ledger: {
      put: (entry) => void ledger.set(entry.callSid, entry),
      remove: (callSid) => void ledger.delete(callSid),
      isReported: async () => false,
      takeOver: async () => true,
      isTaken: async () => true,
    },
    policy: { hookFailureMode: 'decline', maxCallDurationMs: 60_000, allowFiles: false, ...policy },
    ...overrides,
  });
  return { app, leg, media, vendor, recognizer, sink, session, ledger, run: () => session.run() };
}

/** The call status values that the application has been told, in order of arrival. */
export function statuses(rig: SessionRig): unknown[] {
  return rig.app.seen('/status').map(({ json }) => json.call_status);
}
