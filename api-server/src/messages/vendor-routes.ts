import {
  type Database,
  decryptSecret,
  HttpError,
  isEncrypted,
  isFlushed,
  isSameText,
  type Logger,
  MESSAGE_VENDORS,
  type MessageVendor,
  type MessageVendorName,
  type Metrics,
  sidFrom,
  takeInbound,
} from '@ringwire/common';
import { keepRawBody } from '@ringwire/common/http/server.js';
import { type Router, urlencoded } from 'express';
import type { ApiContext } from '../api-server.js';
import { pathParam } from '../http/input.js';
import { type PublicAddress, signedRequest } from './signed-request.js';

/** Longest body of a vendor's form; messages are short. */
const FORM_LIMIT = '64kb';

interface GatewayRow {
  vendor: MessageVendorName;
  inbound_token: string;
  webhook_secret: string | null;
  /** Of the carrier. */
  account_sid: string | null;
}

async function findGateway(db: Database, carrierSid: string): Promise<GatewayRow | undefined> {
  const [row] = await db.query<GatewayRow>(
    `SELECT g.vendor, g.inbound_token, g.webhook_secret, c.account_sid FROM http_message_gateways g JOIN voip_carriers c ON c.voip_carrier_sid = g.voip_carrier_sid
     WHERE g.voip_carrier_sid = ? AND g.is_active = 1 AND c.is_active = 1`,
    [carrierSid],
  );
  return row;
}

/**
 * `/messaging/{voip_carrier_sid}/{token}`: where HTTP vendors post messages and what became of ours. It needs no API key; the token in
 * the URL is the carrier's, and where the carrier has a `webhook_secret` the vendor's signature is asked for too. A vendor that is answered with 5xx posts again.
 */
export function vendorRoutes(
  router: Router,
  { db, encryptionSecret, messages }: ApiContext,
  { metrics, logger, address }: { metrics: Metrics; logger: Logger; address: PublicAddress },
): void {
  const form = urlencoded({ extended: false, limit: FORM_LIMIT, verify: keepRawBody });
  const refused = metrics.counter({
    name: 'ringwire_message_webhooks_refused_total',
    help: 'Webhooks of messaging vendors without a valid signature',
    labelNames: ['vendor'],
  });
  const open = (stored: string): string => (isEncrypted(stored) ? decryptSecret(stored, encryptionSecret) : stored);
  router.post('/messaging/:voip_carrier_sid/:token', form, async (req, res) => {
    const carrierSid = pathParam(req, 'voip_carrier_sid');
    const gateway = await findGateway(db, carrierSid);
    const token = gateway?.inbound_token ?? '';
    const plain = open(token);
    // Nobody learns which carriers there are.
    if (gateway === undefined || plain === '' || !isSameText(plain, pathParam(req, 'token'))) {
      throw new HttpError(404, 'there is no such carrier, or the token is wrong');
    }
    const vendor: MessageVendor | undefined = MESSAGE_VENDORS[gateway.vendor];
    const secret = gateway.webhook_secret === null ? '' : open(gateway.webhook_secret);
    if (secret !== '' && !vendor?.isGenuine(signedRequest(req, address), secret, Date.now())) {
      refused.inc({ vendor: gateway.vendor });
      logger.warn({ voipCarrierSid: carrierSid, vendor: gateway.vendor }, 'webhook without a valid signature');
      throw new HttpError(403, 'the signature is missing or wrong');
    }
    const body: unknown = req.body;
    const isFields = typeof body === 'object' && body !== null && !Array.isArray(body);
    const event = vendor?.readEvent(isFields ? (body as Record<string, unknown>) : {});
    if (event?.kind === 'message') {
      const { id, ...message } = event;
      const outcome = await takeInbound(messages.notices, {
        ...message,
        // The vendor may post it again.
        messageSid: sidFrom(carrierSid, id),
        voipCarrierSid: carrierSid,
        carrierAccountSid: gateway.account_sid,
      }).catch((err: unknown) => {
        throw new HttpError(503, 'messages cannot be taken: redis is away', { err });
      });
      if (outcome === 'full') throw new HttpError(503, 'too many messages wait; try again later');
    } else if (event?.kind === 'receipt' && event.state !== 'pending') {
      const { carrierMessageId, detail, state } = event;
      messages.sink.emit('message.receipt', { voipCarrierSid: carrierSid, carrierMessageId, state, detail });
      if (!(await isFlushed(messages.sink))) throw new HttpError(503, 'receipts cannot be taken: redis is away');
    }
    // What is none of these is not worth another attempt either.
    const { contentType, body: answer } = vendor?.reply ?? { contentType: 'text/plain', body: '' };
    res.status(200).type(contentType).send(answer);
  });
}
