import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Keys whose values never reach the log, at the top and one level down. */
const REDACTED = ['password', 'authorization', 'Authorization', 'token', 'secret', 'webhook_secret', 'api_key'];

/**
 * Makes a process's logger: one JSON object per line on stdout, with name, instance, level as a word and ISO time.
 *
 * A call's lines come from `logger.child({ callSid })`. Errors go under the key `err`.
 */
export function createLogger({
  name,
  instanceId,
  level = 'info',
}: {
  name: string;
  instanceId?: string;
  level?: string;
}): Logger {
  return pino(
    {
      level,
      base: { name, ...(instanceId === undefined ? {} : { instanceId }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '***' },
    },
    // Written at once: a line must not be lost in a crash, nor overtaken by the last one of a process that ends.
    pino.destination({ fd: 1, sync: true }),
  );
}
