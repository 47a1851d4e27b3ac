import {
  type FeatureServerInfo,
  HttpError,
  type Logger,
  PLACE_CALL_PATH,
  type PlaceCallOrder,
  type PlacedCallReply,
} from '@ringwire/common';
import type { FeatureServers } from './feature-servers.js';

/** Hands orders of calls to feature servers. */
export interface CallOrders {
  /**
   * Gives the order to the alive feature server with the fewest calls; to the next where one cannot be reached or takes no calls.
   *
   * @throws HttpError 480 when none takes calls (jambonz's status), 502 when one may have taken it and does not say so, and what
   * a feature server finds wrong with it
   */
  place(order: PlaceCallOrder): Promise<PlacedCallReply>;
}

/** A feature server answers at once: it only looks the application up. */
const DEADLINE_MS = 5_000;
/** jambonz answers with this when no feature server can be had. */
const NO_FEATURE_SERVER = 480;

/** Builds {@link CallOrders} over the feature servers that Redis names. */
export function callOrders(servers: FeatureServers, logger: Logger): CallOrders {
  return {
    async place(order) {
      const accepting = (await servers.list()).filter((server) => server.accepting);
      for (const server of accepting.sort((a, b) => a.calls - b.calls)) {
        const reply = await offer(servers, server, order);
        if (reply.kind === 'placed') return reply.reply;
        logger.warn(
          { callSid: order.callSid, featureServer: server.instanceId, why: reply.why },
          'order was not taken',
        );
      }
      throw new HttpError(NO_FEATURE_SERVER, 'no feature server takes calls now');
    },
  };
}

type Reply = { kind: 'placed'; reply: PlacedCallReply } | { kind: 'not-taken'; why: string };

async function offer(servers: FeatureServers, server: FeatureServerInfo, order: PlaceCallOrder): Promise<Reply> {
  let response: Response;
  try {
    response = await servers.post(server, PLACE_CALL_PATH, order, DEADLINE_MS);
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
