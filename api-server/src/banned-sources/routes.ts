import { type Ban, HttpError, liftBan, listBans, OPERATOR, putBan, type Redis } from '@ringwire/common';
import { type IpNetwork, parseIpNetwork } from '@ringwire/common/sip/ip-address.js';
import type { Response, Router } from 'express';
import { principalOf } from '../auth/authenticate.js';
import { forbidden } from '../auth/principal.js';
import { badField, bodyOf, optionalTextField, pathParam, rejectUnknown, textField } from '../http/input.js';

/** Wider networks are half the world: a slip of the finger. */
const SHORTEST_PREFIX = { 4: 8, 6: 16 } as const;
const DEFAULT_MINUTES = 1_440;
const MAX_MINUTES = 525_600;

const toJson = ({ network, reason, by, since, until }: Ban) => ({
  network,
  reason,
  banned_by: by,
  banned_at: new Date(since).toISOString(),
  expires_at: new Date(until).toISOString(),
});

function networkOf(text: string): IpNetwork {
  const network = parseIpNetwork(text);
  if (!network) throw badField('network', 'must be an IP address or a network such as 192.0.2.0/24');
  if (network.bits < SHORTEST_PREFIX[network.family]) {
    throw badField('network', 'is too wide: at least /8, for IPv6 /16');
  }
  return network;
}

/** Bans are of the platform, not of a customer. */
function requireAdmin(res: Response): void {
  if (principalOf(res).scope !== 'admin') throw forbidden();
}

/** `/BannedSources`: networks from which the edges take nothing; seen, made and lifted by the operator. */
export function bannedSourceRoutes(router: Router, redis: Redis): void {
  const requireRedis = (): void => {
    if (redis.status !== 'ready') throw new HttpError(503, 'bans are not available: redis is away');
  };
  router.get('/BannedSources', async (_req, res) => {
    requireAdmin(res);
    requireRedis();
    res.json((await listBans(redis)).map(toJson));
  });
  router.post('/BannedSources', async (req, res) => {
    requireAdmin(res);
    const fields = bodyOf(req);
    rejectUnknown(fields, ['network', 'reason', 'minutes']);
    const network = networkOf(textField(fields, 'network', 64));
    const reason = optionalTextField(fields, 'reason', 255) ?? 'banned by the operator';
    const minutes = fields.minutes ?? DEFAULT_MINUTES;
    if (typeof minutes !== 'number' || !Number.isInteger(minutes) || minutes < 1 || minutes > MAX_MINUTES) {
      throw badField('minutes', `must be a whole number from 1 to ${MAX_MINUTES}`);
    }
    requireRedis();
    const since = Date.now();
    const ban = { network: network.text, reason, by: OPERATOR, since, until: since + minutes * 60_000 };
    await putBan(redis, ban);
    res.status(201).json(toJson(ban));
  });
  router.delete('/BannedSources/:network', async (req, res) => {
    requireAdmin(res);
    const network = networkOf(pathParam(req, 'network'));
    requireRedis();
    if (!(await liftBan(redis, network.text))) throw new HttpError(404, `${network.text} is not banned`);
    res.sendStatus(204);
  });
}
