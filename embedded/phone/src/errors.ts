/** Root of the errors that the phone raises on purpose. Match on {@link PhoneError.code}, never on the text. */
export class PhoneError extends Error {
  /** Stable, kebab-case, with the subject before the slash. */
  readonly code: string;
  /** What was wrong and where. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, facts: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.facts = facts;
  }
}

/** A command line that cannot be understood: exit code 1 after the message and the usage. */
export class UsageError extends PhoneError {
  constructor(message: string, facts: Readonly<Record<string, unknown>> = {}) {
    super('phone/usage', message, facts);
  }
}
