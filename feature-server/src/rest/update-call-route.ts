import {
  HttpError,
  INTERNAL_SIGNATURE,
  openInternal,
  type Secret,
  UPDATE_CALL_PATH,
  type UpdateCallOrder,
} from '@ringwire/common';
import { TokenBucket, type TokenBucketOptions } from '@ringwire/common/limits/token-bucket.js';
import type { Application } from 'express';
import { MESSAGES } from '../app-client/flood-guard.js';
import type { CommandResult } from '../control/commands.js';
import { readUpdate } from '../control/read-update.js';
import type { CallSession } from '../session/call-session.js';
import { RecentOrders } from './recent-orders.js';

/** What the route needs of a session. */
export type UpdatableCall = Pick<CallSession, 'accountSid' | 'journal' | 'execute'>;

/** What the route needs of the process. */
export interface UpdateCallRouteOptions {
  encryptionSecret: Secret;
  /** The call that has a sid, also that of a leg. */
  find(callSid: string): UpdatableCall | undefined;
  /** How many updates one call takes. @defaultValue as many as a WebSocket application may send */
  rate?: TokenBucketOptions;
}

/**
 * `POST /v1/updateCall`: does to a live call what a REST request asks for (compat 4.1). 202 when it is done or begun, 200 with what it came to,
 * 400 for what cannot be read, 422 where the call is not here any more or cannot take it now, 429 where there are too many for one call, or too many not done yet.
 */
export function updateCallRoute(
  app: Application,
  { encryptionSecret, find, rate = MESSAGES }: UpdateCallRouteOptions,
): void {
  const recent = new RecentOrders();
  const buckets = new WeakMap<UpdatableCall, TokenBucket>();
  const requireRate = (call: UpdatableCall): void => {
    const bucket = buckets.get(call) ?? new TokenBucket(rate);
    buckets.set(call, bucket);
    if (bucket.take()) return;
    const { perSecond, capacity } = rate;
    const reason = `too many commands for this call: ${perSecond} a second are taken, and ${capacity} at once`;
    throw new HttpError(429, reason, { retryAfter: 1 });
  };
  app.post(UPDATE_CALL_PATH, async (req, res) => {
    const signature = req.get(INTERNAL_SIGNATURE);
    const content = openInternal(encryptionSecret, UPDATE_CALL_PATH, { signature, body: req.body as unknown });
    if (content === undefined) throw new HttpError(401, 'updates need the signature of a process of ours');
    // Signed by our API server: its shape is not in question, but for the body.
    const { orderId, callSid, accountSid, body } = content as UpdateCallOrder;
    if (!recent.isNew(orderId)) throw new HttpError(409, 'this update was sent already');
    const found = find(callSid);
    const session = found?.accountSid === accountSid ? found : undefined;
    if (session) requireRate(session);
    const read = readUpdate(body);
    if (!read.ok) throw new HttpError(400, read.reason);
    if (!session) throw new HttpError(422, 'the call is over');
    let facts: Readonly<Record<string, unknown>> | undefined;
    for (const command of read.commands) {
      session.journal.timeline.info('call', `REST: ${command.command}`, { command: command.command });
      const result = await session.execute(command, callSid);
      if (!result.ok) throw refusalOf(result, command.command, session);
      if (result.facts) facts = { ...facts, ...result.facts };
    }
    if (facts) res.status(200).json(facts);
    else res.status(202).end();
  });
}

function refusalOf(
  { because, reason }: Extract<CommandResult, { ok: false }>,
  command: string,
  { journal }: UpdatableCall,
): HttpError {
  journal.timeline.warn('call', `REST: ${command}: ${reason}`);
  if (because === 'too many') return new HttpError(429, reason, { retryAfter: 1 });
  if (because === 'failed') journal.alert('error-updating-call', `${command}: ${reason}`);
  return new HttpError(422, reason);
}
