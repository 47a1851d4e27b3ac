import {
  FEATURE_SERVERS,
  type FeatureServerInfo,
  featureServerKey,
  HttpError,
  type Logger,
  PLACE_CALL_PATH,
  type PlaceCallOrder,
  type PlacedCallReply,
  type Redis,
  type Secret,
  signInternal,
  watchInstances,
} from '@ringwire/common';

/** Hands orders of calls to feature servers. */
export interface CallOrders {
  /**
   * Gives the order to the alive feature server with the fewest calls; to the next where one cannot be reached or takes no calls.
   *
   * @throws HttpError 480 when none takes calls (jambonz's status), 502 when one may have taken it and does not say so, and what
   * a feature server finds wrong with it
   */
  place(order: PlaceCallOrder): Promise<PlacedCallReply>;
  close(): void;
}

/** A feature server answers at once: it only looks the application up. */
const DEADLINE_MS = 5_000;
/** jambonz answers with this when no feature server can be had. */
const NO_FEATURE_SERVER = 480;

/** Builds {@link CallOrders} over the feature servers that Redis names. */
export function callOrders(options: { redis: Redis; logger: Logger; encryptionSecret: Secret }): CallOrders {
  const { redis, logger, encryptionSecret } = options;
  const servers = watchInstances<FeatureServerInfo>({
    redis,
    setKey: FEATURE_SERVERS,
    keyOf: featureServerKey,
    logger,
  });

  const listed = async (): Promise<FeatureServerInfo[]> => {
    // As it is now: one that came up a moment ago counts, one that drains does not. While Redis is away the last list serves.
    if (redis.status === 'ready') await servers.refresh().catch(() => undefined);
    return servers
      .list()
      .filter(({ accepting }) => accepting)
      .sort((a, b) => a.calls - b.calls);
  };

  return {
    async place(order) {
      for (const server of await listed()) {
        const reply = await offer(server, order, encryptionSecret);
        if (reply.kind === 'placed') return reply.reply;
        logger.warn(
          { callSid: order.callSid, featureServer: server.instanceId, why: reply.why },
          'order was not taken',
        );
      }
      throw new HttpError(NO_FEATURE_SERVER, 'no feature server takes calls now');
    },
    close: () => servers.close(),
  };
}

type Reply = { kind: 'placed'; reply: PlacedCallReply } | { kind: 'not-taken'; why: string };

async function offer(server: FeatureServerInfo, order: PlaceCallOrder, secret: Secret): Promise<Reply> {
  let response: Response;
  try {
    response = await fetch(`${server.httpUrl}${PLACE_CALL_PATH}`, {
      method: 'POST',
      ...signInternal(secret, PLACE_CALL_PATH, order),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch (error) {
    // Nobody listens there: it has not heard of the order. In any other case it may have.
    if (isRefused(error)) return { kind: 'not-taken', why: 'connection refused' };
    throw new HttpError(502, `feature server ${server.instanceId} does not say whether it places the call`);
  }
  const body = (await response.json().catch(() => ({}))) as Partial<PlacedCallReply & { msg: string }>;
  if (response.status === 201 && body.sid !== undefined && body.callId !== undefined) {
    return { kind: 'placed', reply: { sid: body.sid, callId: body.callId } };
  }
  const why = body.msg ?? `status ${response.status}`;
  if (response.status === 503) return { kind: 'not-taken', why };
  const isOrdersFault = [400, 403, 404].includes(response.status);
  throw new HttpError(isOrdersFault ? response.status : 502, why);
}

/** `fetch` wraps the reason, and the reasons of several addresses once more. */
function isRefused(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string; errors?: { code?: string }[] } };
  const codes = cause?.errors?.map(({ code }) => code) ?? [cause?.code];
  return codes.every((code) => code === 'ECONNREFUSED');
}
