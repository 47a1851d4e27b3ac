import { type MessageSource, type ServerTransaction, type SipMessage, TransactionLayer } from '@ringwire/sip';
import type { SipServer, SipServerSurroundings } from '../server.js';
import type { AppRequest, ProxyOptions, ProxyResults } from '../test-app.js';
import { DRACHTIO } from '../test-drachtio.js';
import { connectApp, startServer, type Teardown, until } from '../test-rig.js';

/** A bare SIP element to which requests are proxied. */
export interface Target {
  layer: TransactionLayer;
  /** All requests but repeats, ACKs of 2xx and CANCELs too, in order. */
  requests: SipMessage[];
  /** CANCELs with the INVITEs that they cancelled. */
  cancels: SipMessage[];
  sources: MessageSource[];
  uri(user?: string, params?: string): string;
  /** Methods of `requests`. */
  methods(): string[];
}

/**
 * Starts an element over UDP and TCP.
 * @param answer answers each request; a CANCEL is answered 487 unless `onCancel` does otherwise
 */
export async function startTarget(
  t: Teardown,
  answer: (transaction: ServerTransaction) => void,
  onCancel: (transaction: ServerTransaction) => void = (transaction) => transaction.reply(487),
): Promise<Target> {
  const requests: SipMessage[] = [];
  const cancels: SipMessage[] = [];
  const sources: MessageSource[] = [];
  const listen = (['udp', 'tcp'] as const).map((transport) => ({ transport, host: '127.0.0.1', port: 0 }));
  const layer = new TransactionLayer({ listen, timers: { T1: 20 } });
  layer.on('request', (transaction) => {
    requests.push(transaction.request);
    sources.push(transaction.source);
    transaction.on('cancel', (cancel) => {
      cancels.push(cancel);
      onCancel(transaction);
    });
    answer(transaction);
  });
  layer.on('ack', (ack) => requests.push(ack));
  await layer.start();
  t.teardown(() => layer.stop());
  const { port } = layer.addressFor('udp');
  return {
    layer,
    requests,
    cancels,
    sources,
    uri: (user = 'callee', params = '') => `sip:${user}@127.0.0.1:${port}${params}`,
    methods: () => requests.map(({ method }) => method),
  };
}

/** Answers with a status. */
export function answering(status: number, headers: Record<string, string> = {}) {
  return (transaction: ServerTransaction): void => {
    const response = transaction.makeResponse(status);
    for (const [name, value] of Object.entries(headers)) response.add(name, value);
    if (transaction.method === 'INVITE' && status < 300)
      response.add('Contact', `<sip:callee@127.0.0.1:${transaction.source.local.port}>`);
    transaction.respond(response);
  };
}

/** A server whose application proxies every INVITE; `results` get what it is told. */
export async function startProxying(
  t: Teardown,
  destination: string | string[] | ((req: AppRequest) => string | string[]),
  options: ProxyOptions = {},
  { flags, around }: { flags?: string[]; around?: Partial<SipServerSurroundings> } = {},
) {
  const server: SipServer = await startServer(t, flags, undefined, around);
  const results: Array<ProxyResults | Error> = [];
  const proxy = (req: AppRequest): void => {
    const to = typeof destination === 'function' ? destination(req) : destination;
    srf.proxyRequest(req, Array.isArray(to) ? [...to] : to, { ...options }).then(
      (result) => results.push(result),
      (err: unknown) => results.push(err instanceof Error ? err : new Error(String(err))),
    );
  };
  const srf = await connectApp(t, server, (app) => {
    app.invite(proxy);
    app.message(proxy);
    app.options(proxy);
    app.register(proxy);
    app.subscribe(proxy);
  });
  return { server, srf, results };
}

/** Waits until the server has no transaction; of drachtio-server nobody can tell. */
export async function noTransactions({ layer }: SipServer): Promise<void> {
  if (DRACHTIO) return;
  await until(() => layer.gauges.clientTransactions + layer.gauges.serverTransactions === 0);
}

/** The statuses that an application was told, in order. */
export function statusesOf(result: ProxyResults | Error | undefined): number[] {
  if (result === undefined || result instanceof Error) throw new Error('not proxied', { cause: result });
  return result.responses.flatMap(({ msgs }) => msgs.map(({ status }) => status));
}
