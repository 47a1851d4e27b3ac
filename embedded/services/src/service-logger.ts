/** The part of a pino logger that this package uses. */
export interface ServiceLogger {
  info(facts: Record<string, unknown>, message: string): void;
  warn(facts: Record<string, unknown>, message: string): void;
  error(facts: Record<string, unknown>, message: string): void;
}

/** A logger that says nothing, for tests and for callers that watch events instead. */
export const silentLogger: ServiceLogger = { info() {}, warn() {}, error() {} };
