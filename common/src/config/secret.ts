import { inspect } from 'node:util';

/** A value that must not reach a log, an error or an answer: it prints as `***` wherever it is turned into text. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself; call it only where the value is used. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}

/** The plain text of a value that may or may not be wrapped. */
export const reveal = (value: Secret | string): string => (typeof value === 'string' ? value : value.reveal());
