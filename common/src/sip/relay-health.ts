import type { Logger } from '../log/logger.js';
import type { MediaRelay } from '../media-relay/media-relay.js';

/** Whether rtpengine is there. */
export interface RelayHealth {
  /** Asks it now; questions at the same time share one ping. Never rejects; takes as long as the client's tries. */
  answers(): Promise<boolean>;
}

/** Asks rtpengine once at the start, so that a wrong address is told before the first call needs it. */
export function relayHealth(
  relay: MediaRelay,
  { host, port }: { host: string; port: number },
  logger: Logger,
): RelayHealth {
  let asking: Promise<boolean> | undefined;
  const ask = async (): Promise<boolean> => {
    try {
      await relay.ping();
      return true;
    } catch (err) {
      logger.debug({ err }, 'rtpengine does not answer');
      return false;
    } finally {
      asking = undefined;
    }
  };
  const answers = (): Promise<boolean> => {
    asking ??= ask();
    return asking;
  };
  void answers().then((there) => {
    if (there) return;
    logger.warn(
      { RTPENGINE_HOST: host, RTPENGINE_PORT: port },
      `rtpengine does not answer at ${host}:${port}: calls are refused until it does; check RTPENGINE_HOST and RTPENGINE_PORT`,
    );
  });
  return { answers };
}
