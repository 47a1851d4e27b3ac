// @ts-check
/** The set-up cannot go on, for a reason that the person in front of it can act on; the message is for them. */
export class SetupError extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = 'SetupError';
    this.exitCode = exitCode;
  }
}
