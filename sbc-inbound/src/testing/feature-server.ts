import { announce, connectSrf, FEATURE_SERVERS, type FeatureServerInfo, featureServerKey } from '@ringwire/common';
import {
  asSipStack,
  type SipDialog,
  type SipRequest,
  type SipResponse,
  type SipStack,
} from '@ringwire/common/sip/stack.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { FEATURE_SERVER_HOST, type ServerProcess, startServerProcess } from './edge.js';
import { startEcho } from './media.js';
import type { Stores, Teardown } from './stores.js';

/** What a feature server of a test does with an INVITE. */
export type InviteHandler = (request: SipRequest, response: SipResponse) => void;

/** A feature server as an edge sees one: a core SIP server, an application on it, an entry in Redis. */
export interface TestFeatureServer {
  readonly info: FeatureServerInfo;
  readonly stack: SipStack;
  readonly server: ServerProcess;
  /** What it answers with. */
  readonly sdp: string;
  /** RTP packets that came, of all calls. */
  received(): number;
  /** INVITEs that came, in order. */
  readonly invites: SipRequest[];
  /** Replaces what is done with INVITEs; by default they are answered with an echo. */
  onInvite: InviteHandler;
  /** Answers a call with an echo of its media. */
  answer(request: SipRequest, response: SipResponse, headers?: Record<string, string>): Promise<SipDialog>;
  /** The dialog of the next call that is answered. */
  nextDialog(): Promise<SipDialog>;
  /** Its entry in Redis goes away. */
  leave(): Promise<void>;
  /** The application's connection breaks. */
  disconnect(): void;
}

/** Starts one; it goes away with the test. */
export async function startFeatureServer(t: Teardown, stores: Stores, instanceId: string): Promise<TestFeatureServer> {
  const logger = silentLogger();
  const server = await startServerProcess(t, undefined, FEATURE_SERVER_HOST);
  const srf = await connectSrf({ host: '127.0.0.1', port: server.controlPort, secret: 'cymru', logger });
  t.teardown(() => srf.link.close());
  const stack = asSipStack(srf);
  const info: FeatureServerInfo = {
    instanceId,
    sipAddress: `${FEATURE_SERVER_HOST}:${server.sipPort}`,
    httpUrl: 'http://127.0.0.1:9',
    calls: 0,
    accepting: true,
  };
  const key = featureServerKey(instanceId);
  const announcement = announce({
    redis: stores.redis,
    setKey: FEATURE_SERVERS,
    key,
    instanceId,
    info: () => info,
    logger,
  });
  t.teardown(() => announcement.close());
  await announcement.ready;
  const echo = await startEcho(t);
  const waiting: ((dialog: SipDialog) => void)[] = [];
  const featureServer: TestFeatureServer = {
    info,
    stack,
    server,
    sdp: echo.sdp,
    received: echo.received,
    invites: [],
    onInvite: (request, response) => void featureServer.answer(request, response),
    async answer(request, response, headers = {}) {
      const dialog = await stack.createUAS(request, response, { localSdp: echo.sdp, headers });
      waiting.shift()?.(dialog);
      return dialog;
    },
    nextDialog: () => new Promise((resolve) => void waiting.push(resolve)),
    leave: () => announcement.close(),
    disconnect: () => srf.link.close(),
  };
  stack.invite((request, response) => {
    featureServer.invites.push(request);
    featureServer.onInvite(request, response);
  });
  return featureServer;
}
