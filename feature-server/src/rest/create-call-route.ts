import {
  HttpError,
  INTERNAL_SIGNATURE,
  openInternal,
  PLACE_CALL_PATH,
  type PlaceCallOrder,
  type PlacedCallReply,
  type Secret,
} from '@ringwire/common';
import type { Application } from 'express';
import { RecentOrders } from './recent-orders.js';

/** What the route needs of the process. */
export interface CreateCallRouteOptions {
  encryptionSecret: Secret;
  /** Why no call is taken now; undefined when calls are taken. */
  refusal(): string | undefined;
  /** Places the call. @throws HttpError */
  place(order: PlaceCallOrder): Promise<PlacedCallReply>;
}

/** `POST /v1/createCall`: takes orders of the API server, and nobody else's. 201 when the call is on its way. */
export function createCallRoute(app: Application, options: CreateCallRouteOptions): void {
  const recent = new RecentOrders();
  app.post(PLACE_CALL_PATH, async (req, res) => {
    const signature = req.get(INTERNAL_SIGNATURE);
    const content = openInternal(options.encryptionSecret, PLACE_CALL_PATH, { signature, body: req.body as unknown });
    if (content === undefined) throw new HttpError(401, 'orders need the signature of a process of ours');
    const refusal = options.refusal();
    if (refusal !== undefined) throw new HttpError(503, refusal);
    // Signed by our API server: its shape is not in question.
    const order = content as PlaceCallOrder;
    if (!recent.isNew(order.callSid)) throw new HttpError(409, `call ${order.callSid} was ordered already`);
    res.status(201).json(await options.place(order));
  });
}
