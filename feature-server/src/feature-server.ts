import {
  announce,
  applicationQueue,
  type ConnectedSrf,
  type EventSink,
  FEATURE_SERVERS,
  type FeatureServerInfo,
  featureServerKey,
  type HealthReport,
  HttpError,
  type Logger,
  type Metrics,
  outboundQueue,
  type PlaceCallOrder,
  type PlacedCallReply,
  type Provisioning,
  type Redis,
  SBCS,
  type SbcInfo,
  sbcKey,
  startHttpServer,
  watchInstances,
} from '@ringwire/common';
import { asSipStack } from '@ringwire/common/sip/stack.js';
import { compileValidators } from '@ringwire/verb-specs';
import { readVoicemailHints } from './amd/voicemail-hints.js';
import { AddressGuard } from './app-client/address-guard.js';
import { HttpClient } from './app-client/http-exchange.js';
import { type FeatureServerConfig, socketLimits } from './config.js';
import { AudioIntake } from './media/audio-intake.js';
import { MediaServerLink } from './media/media-server-link.js';
import { startMessageIntake } from './messages/message-intake.js';
import { Outbox } from './messages/outbox.js';
import { createFeatureServerMetrics } from './metrics.js';
import { Recordings, type RecordingsOptions } from './recording/recordings.js';
import { createCallRoute } from './rest/create-call-route.js';
import { findTalkRoute, talkFinder } from './rest/find-talk.js';
import { orderedCall } from './rest/ordered-call.js';
import { sessionOrder } from './rest/session-order.js';
import { updateCallRoute } from './rest/update-call-route.js';
import { openRooms } from './rooms/open-rooms.js';
import { CallLedger, OrphanSweep } from './session/call-ledger.js';
import { admitGuest } from './session/guest.js';
import { createJournal } from './session/journal.js';
import { LiveCalls } from './session/live-calls.js';
import { MovedCalls } from './session/moved-calls.js';
import { reportOrphan } from './session/orphan-report.js';
import { botBases, SessionBots } from './session/session-bots.js';
import { createSession, type NewCall, type SessionFactoryOptions } from './session/session-factory.js';
import { Talks } from './session/talks.js';
import { TransferredCalls } from './session/transferred-calls.js';
import { EdgeDialler } from './sip/edge-dialler.js';
import type { InboundLeg } from './sip/inbound-leg.js';
import { InviteHandler, type RefusedCall } from './sip/invite-handler.js';
import { watchWaysOut } from './sip/ways-out.js';
import { CustomRecognizer } from './speech/custom-recognizer.js';
import { EspeakSynthesizer } from './speech/espeak.js';
import { Pocketsphinx } from './speech/pocketsphinx.js';
import { RecognitionService } from './speech/recognition-service.js';
import { SpeechService } from './speech/speech-service.js';
import { TtsCache } from './speech/tts-cache.js';
import { VERBS } from './verbs/registry.js';

/** What a feature server is built from. The caller closes what it gives. */
export interface FeatureServerOptions {
  config: FeatureServerConfig;
  instanceId: string;
  logger: Logger;
  metrics: Metrics;
  redis: Redis;
  sink: EventSink;
  provisioning: Provisioning;
  srf: ConnectedSrf;
  /** How often what is not stored is tried again; for tests. */
  recordingPace?: RecordingsOptions['timing'];
}

/** A running feature server. */
export interface FeatureServer {
  readonly httpUrl: string;
  readonly sipAddress: string;
  readonly calls: number;
  /** Takes no new calls; resolves when the live ones are over and reported. */
  drain(): Promise<void>;
  /** Ends live calls with BYE and gives everything back. */
  close(): Promise<void>;
}

/** How long calls that are ended by {@link FeatureServer.close} may take to send BYE and their last status hook. */
const CLOSE_GRACE_MS = 3_000;

/** Builds the object graph, connects to the media server, takes calls and says so in Redis. */
export async function startFeatureServer(options: FeatureServerOptions): Promise<FeatureServer> {
  const { config, instanceId, logger, redis, sink, provisioning, srf } = options;
  // Compiling takes longer than a caller should wait for the first verb of its kind.
  compileValidators();
  const live = new LiveCalls();
  const metrics = createFeatureServerMetrics(options.metrics, () => live.count);
  const guard = new AddressGuard({ allowPrivate: config.HOOK_ALLOW_PRIVATE });
  const http = new HttpClient(guard, { headersTimeoutMs: config.HTTP_TIMEOUT_MS });
  const applications = {
    ...{ http, guard },
    sockets: socketLimits(config),
    onExchange: metrics.hook.bind(metrics),
  };
  const speech = new SpeechService({
    vendors: [await EspeakSynthesizer.open()],
    defaultVendor: 'espeak',
    cache: await TtsCache.open({
      dir: config.TTS_CACHE_DIR,
      maxBytes: config.TTS_CACHE_MAX_MB * 1024 * 1024,
      logger,
    }),
    onSynthesis: (vendor, outcome, ms) => metrics.synthesis(vendor, outcome, ms),
  });
  const sphinx = await Pocketsphinx.open({ logger });
  const recognition = new RecognitionService({
    vendors: [new CustomRecognizer(guard), ...(sphinx ? [sphinx] : [])],
    defaultVendor: 'pocketsphinx',
    onRecognition: (vendor, outcome) => metrics.recognition(vendor, outcome),
  });
  let isDraining = false;
  let tell = (): void => {};
  const intake = await AudioIntake.open({
    host: config.AUDIO_LISTEN_ADDRESS ?? config.FREESWITCH_LISTEN_ADDRESS,
    port: config.AUDIO_LISTEN_PORT,
    logger,
  });
  const mediaServer = connectMedia(options, intake, () => tell());
  const unavailability = (): string | undefined => {
    if (isDraining) return 'feature server is draining';
    if (!mediaServer.available) return 'media server is not available';
    if (live.count + transferred.count >= config.MAX_CALLS) return 'feature server is at its limit of calls';
    return undefined;
  };
  // Overload passes within a second: it is for this call to know, not for every edge until the next heartbeat.
  const refusal = (): string | undefined =>
    unavailability() ?? (mediaServer.isOverloaded ? 'too many calls are being set up' : undefined);
  const stack = asSipStack(srf as never);
  const edges = watchInstances<SbcInfo>({ redis, setKey: SBCS, keyOf: sbcKey, logger });
  let connection = new AbortController();
  const waysOut = watchWaysOut(stack, edges);
  const dialler = new EdgeDialler({
    stack,
    logger,
    edges: () => edges.list(),
    reachable: (address) => waysOut.reachable(address),
    gone: (id) => waysOut.gone(id),
    lost: () => connection.signal,
    wantsInfo: (sid) => provisioning.snapshot().carriersBySid.get(sid)?.dtmfType === 'info',
    encryptionSecret: config.ENCRYPTION_SECRET,
    whereIs: talkFinder({ redis, logger, instanceId, encryptionSecret: config.ENCRYPTION_SECRET }),
  });
  const talks = new Talks();
  const outbox = new Outbox({ redis, sink, queue: outboundQueue(redis) });
  const ledger = new CallLedger(redis, instanceId, logger);
  const rooms = openRooms({ redis, logger, instanceId, sipAddress: () => sipAddress() });
  const moved = new MovedCalls(redis, config.ENCRYPTION_SECRET);
  const transferred = new TransferredCalls(config.MAX_CALL_DURATION_MINUTES * 60_000);
  const recordings = await Recordings.open({
    spoolDir: config.RECORDINGS_SPOOL_DIR,
    bucket: config.RECORDINGS_BUCKET?.reveal(),
    folder: config.RECORDINGS_DIR,
    allowPrivate: config.RECORDINGS_ALLOW_PRIVATE,
    mp3Command: config.RECORDINGS_MP3_COMMAND,
    maxWaitingBytes: config.RECORDINGS_SPOOL_MAX_MB * 1_000_000,
    sink,
    logger,
    snapshot: () => provisioning.snapshot(),
    ...(options.recordingPace && { timing: options.recordingPace }),
  });
  const sessions: SessionFactoryOptions = {
    recordings,
    logger,
    sink,
    applications,
    guard,
    voicemailHints: await readVoicemailHints(config.VMD_HINTS_FILE),
    mediaServer,
    speech,
    recognition,
    dialler,
    transferred,
    talks,
    outbox,
    rooms,
    moved,
    bots: new SessionBots(http, botBases(config)),
    ledger,
    metrics,
    async placeCall(body, by) {
      const why = refusal();
      if (why !== undefined) throw new HttpError(503, why);
      return placeCall(sessionOrder(body, by));
    },
    registry: VERBS,
    admit: (session) => live.run(session),
    policy: {
      hookFailureMode: config.HOOK_FAILURE_MODE,
      maxCallDurationMs: config.MAX_CALL_DURATION_MINUTES * 60_000,
      allowFiles: config.PLAY_ALLOW_FILES,
      tellsHolds: config.HOLD_EVENTS,
      sayListMeans: config.SAY_LIST,
      releasesMedia: !config.ANCHOR_MEDIA_ALWAYS,
    },
  };
  const sipAddress = (): string => config.SIP_ADDRESS ?? srf.link.sipAddresses[0] ?? '';
  const invites = new InviteHandler({
    stack,
    logger,
    refusal,
    sipAddress,
    snapshot: () => provisioning.snapshot(),
    isKnown: (callSid) => live.has(callSid),
    ...(config.API_BASE_URL !== undefined && { apiBaseUrl: config.API_BASE_URL }),
    takeMoved: (id) => moved.take(id),
    onAdmitted: (call) => admit(call),
    onMoved: (call) => admit(call),
    onGuest: (leg, named, callSid) => {
      const onReleased = (): void => invites.forget(leg);
      const talk = talks.find(named);
      if (!talk) {
        leg.reject(481, undefined, {});
        onReleased();
        return;
      }
      const handOver = transferred.add.bind(transferred);
      void admitGuest(leg, talk, { mediaServer, logger, callSid, handOver, onReleased });
    },
    onRefused: (refused) => {
      metrics.refused(refused.status);
      reportRefusal(sink, logger, refused);
    },
  });
  const admit = (call: NewCall & { leg: InboundLeg }): void => {
    metrics.admitted();
    const session = createSession(call, sessions, (released) => {
      invites.forget(call.leg);
      live.released(released);
    });
    live.run(session);
  };
  stack.invite((request, response) => invites.handle(request, response));
  stack.options((_request, response) => response.send(200));
  srf.on('lost', () => {
    invites.loseAll('control connection closed');
    connection.abort();
    connection = new AbortController();
    tell();
  });
  srf.on('restored', () => tell());

  const placeCall = async (order: PlaceCallOrder): Promise<PlacedCallReply> => {
    // An application that was made a moment ago may be news to us.
    const isNews =
      order.applicationSid !== null && !provisioning.snapshot().applicationsBySid.has(order.applicationSid);
    const { call, callId } = orderedCall(order, {
      snapshot: isNews ? await provisioning.reload() : provisioning.snapshot(),
      dialler,
      fsSipAddress: sipAddress(),
      ...(config.API_BASE_URL !== undefined && { apiBaseUrl: config.API_BASE_URL }),
    });
    metrics.admitted();
    const session = createSession(call, sessions, (released) => live.released(released));
    live.run(session);
    const { notAvailable } = order;
    if (notAvailable.length > 0) {
      session.journal.timeline.warn('call', `not available in this version: ${notAvailable.join(', ')}`);
    }
    return { sid: order.callSid, callId };
  };

  await mediaServer.connected;
  const health = async (): Promise<HealthReport> => ({
    healthy: srf.link.isConnected && mediaServer.available,
    facts: { sipServer: srf.link.isConnected, mediaServer: mediaServer.available, calls: live.count },
  });
  const web = await startHttpServer({
    host: config.HTTP_HOST,
    port: config.HTTP_PORT,
    metrics: options.metrics,
    health,
    logger,
    routes: (app) => {
      const encryptionSecret = config.ENCRYPTION_SECRET;
      createCallRoute(app, { encryptionSecret, refusal, place: (order) => placeCall(order) });
      updateCallRoute(app, { encryptionSecret, find: (callSid) => transferred.find(callSid) ?? live.find(callSid) });
      findTalkRoute(app, { encryptionSecret, has: (talk) => talks.find(talk) !== undefined });
    },
  });
  const info = (): FeatureServerInfo => ({
    instanceId,
    sipAddress: sipAddress(),
    httpUrl: web.url,
    calls: live.count + transferred.count,
    accepting: srf.link.isConnected && unavailability() === undefined,
  });
  const announcement = announce({
    redis,
    logger,
    instanceId,
    info,
    setKey: FEATURE_SERVERS,
    key: featureServerKey(instanceId),
  });
  tell = () => {
    announcement.update().catch((err: unknown) => logger.warn({ err }, 'change was not announced'));
  };
  const messages = startMessageIntake({
    redis,
    sink,
    applications,
    outbox,
    logger,
    queue: applicationQueue(redis),
    snapshot: () => provisioning.snapshot(),
    registry: VERBS,
    counters: options.metrics,
  });
  const orphans = new OrphanSweep({
    redis,
    instanceId,
    logger,
    report: (entry, diedAt) =>
      reportOrphan(entry, { sink, logger, applications, snapshot: provisioning.snapshot(), diedAt }),
  });
  return {
    httpUrl: web.url,
    get sipAddress() {
      return sipAddress();
    },
    get calls() {
      return live.count;
    },
    async drain() {
      isDraining = true;
      tell();
      await Promise.all([live.idle(), messages.drain()]);
      await transferred.idle();
      await recordings.idle();
    },
    async close() {
      isDraining = true;
      await messages.close();
      await orphans.close();
      for (const session of live.sessions()) {
        void session.execute({ command: 'hangup', reason: 'feature server is stopped', sipStatus: 503 });
      }
      transferred.endAll();
      const over = Promise.all([live.idle(), transferred.idle()]);
      await Promise.race([over, new Promise((resolve) => setTimeout(resolve, CLOSE_GRACE_MS).unref())]);
      await recordings.close();
      await announcement.close();
      waysOut.close();
      edges.close();
      await rooms.close();
      await ledger.close();
      await mediaServer.close();
      await intake.close();
      await sphinx?.close();
      http.close();
      await web.close(0);
    },
  };
}

function connectMedia(
  { config, logger, srf }: FeatureServerOptions,
  intake: AudioIntake,
  onChange: () => void,
): MediaServerLink {
  return new MediaServerLink({
    srf,
    logger,
    host: config.FREESWITCH_HOST,
    port: config.FREESWITCH_PORT,
    password: config.FREESWITCH_PASSWORD.reveal(),
    listenAddress: config.FREESWITCH_LISTEN_ADDRESS,
    listenPort: config.FREESWITCH_LISTEN_PORT,
    intake,
    onChange,
  });
}

/** A call that got no session still has a timeline on which its caller's operator looks for the cause. */
function reportRefusal(sink: EventSink, logger: Logger, refused: RefusedCall): void {
  const { status, reason, callSid, sipCallId, accountSid } = refused;
  logger.warn({ callSid, accountSid, status, reason }, 'call is refused');
  if (accountSid === undefined) return;
  const journal = createJournal(sink, logger, {
    callSid,
    accountSid,
    serviceProviderSid: null,
    ...(sipCallId !== undefined && { sipCallId }),
  });
  journal.timeline.error('call', `feature server refuses the call: ${status} ${reason}`, { status, reason });
}
