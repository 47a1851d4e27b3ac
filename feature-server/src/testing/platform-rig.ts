/** A feature server between a SIP server, a media server ({@link openSipEngine}) and a Redis, all on loopback. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Application,
  type ConnectedSrf,
  closeRedis,
  connectSrf,
  createMetrics,
  openRedis,
  type Provisioning,
  ProvisioningSnapshot,
  type Redis,
  readConfig,
  type Webhook,
} from '@ringwire/common';
import type { SipStack } from '@ringwire/common/sip/stack.js';
import { assertNothingLeft, counted, redisLeaks } from '@ringwire/common/testing/leaks.js';
import { startTestRedis, type TestServer } from '@ringwire/common/testing/services.js';
import { type PhoneCall, type PlaceCallOptions, placeCall } from '@ringwire/phone';
import type { Test } from 'tap';
import { featureServerVars } from '../config.js';
import { type FeatureServer, startFeatureServer } from '../feature-server.js';
import { ApplicationServer } from './application-server.js';
import { armedTimers, watchTimers } from './armed-timers.js';
import { type MediaEngine, openMediaEngine, openSipEngine, type SipEngine } from './engines.js';
import { CollectingSink, silentLogger } from './fakes.js';

/** Ids of the account and application that every rig has. */
export const ACCOUNT_SID = '00000000-0000-4000-8000-00000000acc1';
export const APPLICATION_SID = '00000000-0000-4000-8000-0000000000a1';
const SP_SID = '00000000-0000-4000-8000-0000000000f1';

/** Everything a test of the whole feature server looks at. */
export interface PlatformRig {
  app: ApplicationServer;
  sink: CollectingSink;
  redis: Redis;
  redisServer: TestServer;
  server: FeatureServer;
  srf: ConnectedSrf;
  sip: SipEngine;
  media: MediaEngine;
  ttsDir: string;
  /** Calls the number as an edge would. */
  call(options?: Partial<PlaceCallOptions>): Promise<PhoneCall>;
}

/** Starts it all; everything ends with the test, which fails where its calls have left something behind. */
export async function startPlatform(
  t: Test,
  env: Record<string, string> = {},
  applicationOf: (url: string) => Partial<Application> = () => ({}),
): Promise<PlatformRig> {
  watchTimers();
  let leak: unknown;
  // The last of all: what throws keeps those behind it from running.
  t.teardown(() => {
    if (leak) throw leak;
  });
  const redisServer = await startTestRedis();
  t.teardown(() => redisServer.stop());
  const app = await ApplicationServer.start();
  t.teardown(() => app.stop());
  app.checkPayloads(t);
  app.on('/status', (response) => response.writeHead(204).end());
  const ttsDir = await mkdtemp(join(tmpdir(), 'ringwire-fs-'));
  t.teardown(() => rm(ttsDir, { recursive: true, force: true }));
  const spoolDir = `${ttsDir}-recordings`;
  t.teardown(() => rm(spoolDir, { recursive: true, force: true }));
  const sip = await openSipEngine();
  t.teardown(() => sip.stop());
  const media = await openMediaEngine(sip.port);
  t.teardown(() => media.close());
  const config = readConfig(featureServerVars, {
    HTTP_PORT: '0',
    MYSQL_HOST: 'unused',
    MYSQL_USER: 'unused',
    MYSQL_PASSWORD: '',
    MYSQL_DATABASE: 'unused',
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redisServer.port),
    DRACHTIO_HOST: '127.0.0.1',
    DRACHTIO_PORT: String(sip.controlPort),
    FREESWITCH_HOST: media.host,
    FREESWITCH_PORT: String(media.port),
    FREESWITCH_PASSWORD: media.password,
    ENCRYPTION_SECRET: 'not used here',
    HOOK_ALLOW_PRIVATE: 'loopback',
    TTS_CACHE_DIR: ttsDir,
    RECORDINGS_SPOOL_DIR: spoolDir,
    ...env,
  });
  const redis = openRedis({ host: '127.0.0.1', port: redisServer.port }, { logger: silentLogger, name: 'test' });
  t.teardown(() => closeRedis(redis));
  const srf = await connectSrf({ host: '127.0.0.1', port: sip.controlPort, secret: 'cymru', logger: silentLogger });
  t.teardown(() => srf.link.close());
  const sink = new CollectingSink();
  const server = await startFeatureServer({
    config,
    redis,
    srf,
    sink,
    instanceId: 'fs-1',
    logger: silentLogger,
    metrics: createMetrics({ name: 'feature-server', instanceId: 'fs-1' }),
    provisioning: provisioningOf(app.url, applicationOf(app.url)),
  });
  t.teardown(() => server.close());
  // A drachtio-server takes what it is told in order: its answer to this (no ACK may be sent so) says that the routes told before are in force.
  const stack = srf as unknown as SipStack;
  await new Promise((resolve) => stack.request('sip:127.0.0.1:1', { method: 'ACK', headers: {} }, resolve));
  const phones = new Set<PhoneCall>();
  const before = armedTimers();
  const leaks = [
    () => counted(server.calls, 'sessions'),
    () => media.held(),
    () => counted(sip.dialogCount(), 'SIP dialogs'),
    () => [...armedTimers()].filter((timer) => !before.has(timer)).map(({ where }) => where),
    redisLeaks(redis),
  ];
  // Runs before the server is closed, which would hide it.
  t.teardown(async () => {
    await Promise.all([...phones].map((phone) => phone.hangup()));
    await assertNothingLeft(leaks).catch((error: Error) => {
      t.comment(error.message);
      leak = error;
    });
  });
  return {
    app,
    sink,
    redis,
    redisServer,
    server,
    srf,
    ttsDir,
    sip,
    media,
    async call({ headers, ...options } = {}) {
      const phone = await placeCall({
        target: '15550100',
        proxy: { host: '127.0.0.1', port: sip.port },
        localHost: '127.0.0.1',
        headers: {
          'X-Account-Sid': ACCOUNT_SID,
          'X-Application-Sid': APPLICATION_SID,
          'X-Call-Sid': 'call-1',
          'X-CID': 'outer-1',
          'X-Originating-Carrier': 'carrier',
          ...headers,
        },
        ...options,
      });
      phones.add(phone);
      phone.on('ended', () => phones.delete(phone));
      return phone;
    },
  };
}

/** A webhook row without credentials. */
export const webhookOf = (url: string): Webhook => ({
  webhookSid: url,
  url,
  method: 'POST',
  username: null,
  password: null,
});

/** Provisioning data of one account whose application is at `url`, as MySQL would give it. */
export function provisioningOf(url: string, overrides: Partial<Application> = {}): Provisioning {
  const hook = (path: string) => webhookOf(`${url}${path}`);
  const speech = { vendor: 'espeak', language: 'en-US', voice: 'en-us', label: null };
  const application: Application = {
    applicationSid: APPLICATION_SID,
    name: 'test',
    accountSid: ACCOUNT_SID,
    serviceProviderSid: null,
    callHook: hook('/hook'),
    callStatusHook: hook('/status'),
    messagingHook: null,
    appJson: null,
    synthesizer: speech,
    recognizer: speech,
    fallbackSynthesizer: null,
    fallbackRecognizer: null,
    envVars: null,
    recordAllCalls: false,
    ...overrides,
  };
  const snapshot = new ProvisioningSnapshot(
    {
      serviceProviders: [],
      accounts: [
        {
          accountSid: ACCOUNT_SID,
          serviceProviderSid: SP_SID,
          name: 'test',
          sipRealm: null,
          isActive: true,
          webhookSecret: 'wh_secret',
          registrationHook: null,
          queueEventHook: hook('/queue-events'),
          deviceCallingApplicationSid: null,
          disableCdrs: false,
          enableDebugLog: false,
          recordAllCalls: false,
        },
      ],
      applications: [application],
      webhooks: [],
      voipCarriers: [],
      sipGateways: [],
      phoneNumbers: [],
    },
    [],
    Date.now(),
  );
  return { snapshot: () => snapshot, reload: async () => snapshot, onChange: () => {}, close: async () => {} };
}
