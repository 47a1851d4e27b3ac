import { type Logger, pino } from 'pino';

/** A logger that keeps what it is given, for tests that say what must be logged. */
export function recordingLogger(): { logger: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { level: 'trace' },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  return { logger, lines };
}

/** A logger that says nothing. */
export const silentLogger = (): Logger => pino({ level: 'silent' });
