import {
  FEATURE_SERVERS,
  type FeatureServerInfo,
  featureServerKey,
  HttpError,
  INTERNAL_SIGNATURE,
  type Logger,
  openInternal,
  type Redis,
  type Secret,
  signInternal,
  watchInstances,
} from '@ringwire/common';
import type { Application } from 'express';
import type { NamedTalk } from '../session/talks.js';

/** Path by which feature servers ask each other for the talk that a REFER with Replaces names. */
export const FIND_TALK_PATH = '/v1/findTalk';
/** Who transfers waits. */
const DEADLINE_MS = 2_000;

/** `POST /v1/findTalk`: whether the talk is here, `{found}`; for processes of ours only. */
export function findTalkRoute(
  app: Application,
  { encryptionSecret, has }: { encryptionSecret: Secret; has(talk: NamedTalk): boolean },
): void {
  app.post(FIND_TALK_PATH, (req, res) => {
    const signature = req.get(INTERNAL_SIGNATURE);
    const content = openInternal(encryptionSecret, FIND_TALK_PATH, { signature, body: req.body as unknown });
    if (content === undefined) throw new HttpError(401, 'questions need the signature of a process of ours');
    // Signed by a feature server: its shape is not in question.
    res.json({ found: has(content as NamedTalk) });
  });
}

/** What asking others needs. */
export interface TalkFinderOptions {
  redis: Redis;
  logger: Logger;
  /** Who asks: not asked itself. */
  instanceId: string;
  encryptionSecret: Secret;
}

/**
 * Asks all other feature servers at once. Talks are in nobody's table: a user's call costs nothing for it, and a transfer between feature servers is rare.
 *
 * @returns `ip:port` of the SIP server of the one that has the talk; never rejects
 */
export function talkFinder(options: TalkFinderOptions): (talk: NamedTalk) => Promise<string | undefined> {
  const { redis, logger, instanceId, encryptionSecret } = options;
  const ask = async (server: FeatureServerInfo, talk: NamedTalk): Promise<string> => {
    const response = await fetch(`${server.httpUrl}${FIND_TALK_PATH}`, {
      method: 'POST',
      ...signInternal(encryptionSecret, FIND_TALK_PATH, talk),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const { found } = (await response.json()) as { found?: boolean };
    if (found !== true) throw new Error('it has no such talk');
    return server.sipAddress;
  };
  return async (talk) => {
    const servers = watchInstances<FeatureServerInfo>({
      redis,
      setKey: FEATURE_SERVERS,
      keyOf: featureServerKey,
      logger,
    });
    try {
      await servers.refresh();
      const others = servers.list().filter((server) => server.instanceId !== instanceId);
      return await Promise.any(others.map((server) => ask(server, talk)));
    } catch (err) {
      logger.info({ err, callId: talk.replaces.callId }, 'no feature server has the talk that a transfer names');
      return undefined;
    } finally {
      servers.close();
    }
  };
}
