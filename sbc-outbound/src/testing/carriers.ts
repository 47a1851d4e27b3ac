/** Carriers of tests: gateways that answer as a test wants, rows that lead to them, and calls of a feature server. */
import { createHash, randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Database, openDatabase } from '@ringwire/common';
import type { SipDialog } from '@ringwire/common/sip/stack.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import type { ServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import type { TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import type { Stores, Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import {
  createUserAgent,
  type IncomingCall,
  type SipMessage,
  type UserAgent,
  type UserAgentOptions,
} from '@ringwire/sip';
import type { SbcOutbound } from '../sbc-outbound.js';

/** What a gateway does with an INVITE. */
export type Behaviour = (call: IncomingCall) => void;

/** A carrier's gateway. */
export interface TestGateway {
  readonly agent: UserAgent;
  readonly host: string;
  readonly port: number;
  /** INVITEs that came, in order. */
  readonly invites: SipMessage[];
  behave: Behaviour;
}

/** Opens one on a free port of 127.0.0.1, over UDP unless something else is listened on. */
export async function startGateway(
  t: Teardown,
  behave: Behaviour = () => {},
  listen: UserAgentOptions['listen'] = [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
): Promise<TestGateway> {
  const agent = await createUserAgent({ listen, user: 'gateway' });
  t.teardown(() => agent.stop());
  const { host, port } = agent.addresses[0]!;
  const gateway: TestGateway = { agent, host, port, invites: [], behave };
  agent.onInvite((call) => {
    gateway.invites.push(call.request);
    gateway.behave(call);
  });
  return gateway;
}

/** A port that takes datagrams and never answers; the count of those that came. */
export async function startDeadPort(t: Teardown): Promise<{ host: string; port: number; received: () => number }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let count = 0;
  socket.on('message', () => {
    count++;
  });
  t.teardown(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  return { host: '127.0.0.1', port: socket.address().port, received: () => count };
}

/** Rows of a carrier and its gateways, in database columns. */
export interface CarrierRows {
  carrier?: Record<string, string | number | null>;
  gateways: readonly ({ host: string; port: number | null } & { columns?: Record<string, string | number> })[];
}

/** Writes carriers into the database of a running sbc. */
export class Provisioner {
  readonly #db: Database;

  constructor(
    t: Teardown,
    stores: Stores,
    private readonly sbc: () => SbcOutbound,
  ) {
    const { env } = stores;
    const { MYSQL_HOST: host, MYSQL_PORT: port, MYSQL_USER: user, MYSQL_PASSWORD: password } = env;
    const options = { host: host!, port: Number(port), user: user!, password: password ?? '' };
    this.#db = openDatabase({ ...options, database: env.MYSQL_DATABASE! }, { logger: silentLogger() });
    t.teardown(() => this.#db.close());
  }

  /** Adds a carrier of the seed's account whose gateways are tried in the given order; resolves with its sid. */
  async add({ carrier = {}, gateways }: CarrierRows): Promise<string> {
    const sid = randomUUID();
    const own = { account_sid: SEED.accountSid, service_provider_sid: SEED.serviceProviderSid };
    await this.#insert('voip_carriers', {
      voip_carrier_sid: sid,
      name: `carrier ${sid.slice(0, 8)}`,
      ...own,
      ...carrier,
    });
    for (const [priority, { host, port, columns = {} }] of gateways.entries()) {
      const row = { sip_gateway_sid: randomUUID(), ipv4: host, port, inbound: 0, outbound: 1, voip_carrier_sid: sid };
      await this.#insert('sip_gateways', { ...row, priority, ...columns });
    }
    await this.sbc().edge.provisioning.reload();
    return sid;
  }

  async #insert(table: string, row: Record<string, string | number | null>): Promise<void> {
    await this.#db.execute(`INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (?)`, [Object.values(row)]);
  }
}

/** A call that the feature server places. */
export interface PlacedCall {
  /** Rejects with drachtio-srf's error, which has `status` and `res`. */
  readonly dialog: Promise<SipDialog>;
  /** Final status of a call that must fail. */
  status(): Promise<number>;
  /** Statuses of provisional responses so far. */
  readonly provisionals: number[];
  giveUp(): void;
  /** Call-ID of the leg from the feature server, known once it is sent. */
  readonly callId: Promise<string>;
}

/** Calls a number through the edge, over a carrier or as routing decides. */
export function dial(
  fs: TestFeatureServer,
  server: ServerProcess,
  carrierSid: string | null,
  options: { number?: string; uri?: string; from?: string; sdp?: string; headers?: Record<string, string> } = {},
): PlacedCall {
  const { number = '4930123456', uri, from = '<sip:15550002222@localhost>', sdp = fs.sdp, headers = {} } = options;
  let sent: { cancel(): void } | undefined;
  let tell: (callId: string) => void = () => {};
  const callId = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const provisionals: number[] = [];
  const dialog = fs.stack.createUAC(
    uri ?? `sip:${number}@127.0.0.1:${server.sipPort}`,
    {
      localSdp: sdp,
      ...(uri === undefined ? {} : { proxy: `sip:127.0.0.1:${server.sipPort}` }),
      headers: {
        From: from,
        'X-Account-Sid': SEED.accountSid,
        'X-Call-Sid': randomUUID(),
        'X-Jambonz-Routing': 'phone',
        ...(carrierSid === null ? {} : { 'X-Requested-Carrier-Sid': carrierSid }),
        ...headers,
      },
    },
    {
      cbRequest: (_error, request) => {
        sent = request;
        tell(request?.get('Call-ID') ?? '');
      },
      cbProvisional: (response) => provisionals.push(response.status),
    },
  ) as Promise<SipDialog>;
  // Who expects an answer awaits it; who expects a failure asks for the status.
  dialog.catch(() => undefined);
  return {
    dialog,
    provisionals,
    callId,
    giveUp: () => sent?.cancel(),
    status: () =>
      dialog.then(
        () => 200,
        (error: { status?: number }) => error.status ?? 0,
      ),
  };
}

/** MD5 in hex. */
export const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
/** SHA-256 in hex. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Whether a request proves that it knows the password (RFC 7616): computed apart from the code under test. */
export function proves(
  request: SipMessage,
  header: string,
  hash: (text: string) => string,
  password = 'secret',
): boolean {
  const value = request.get(header) ?? '';
  const field = (name: string): string => new RegExp(`\\b${name}="?([^",]*)"?`).exec(value)?.[1] ?? '';
  const a1 = hash(`${field('username')}:${field('realm')}:${password}`);
  const a2 = hash(`${request.method}:${request.uri}`);
  const text = `${a1}:${field('nonce')}:${field('nc')}:${field('cnonce')}:auth:${a2}`;
  return field('uri') === request.uri && field('response') === hash(text);
}
