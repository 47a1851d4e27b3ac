import { headerKey, isKnownHeader } from './header-names.js';
import type { Via } from './via.js';

/** Places that are kept of a line: start, colon, where the value starts and where it ends. */
const FIELDS = 4;

/**
 * The header lines of a received message by their places in its text. A name or value is cut out when somebody asks for
 * it: of a message that passes through most are never looked at.
 */
export class HeaderIndex {
  /** The first Via, once it has been read. */
  topVia: Via | undefined;

  private constructor(
    private text: string,
    /** Lower-case long names, in order. */
    readonly keys: string[],
    private readonly places: number[],
  ) {}

  /**
   * Indexes header lines; the last one comes without its line end. Undefined for what is folded, has other line ends than
   * CRLF, or is faulty: that is read line by line.
   */
  static of(text: string, maxHeaders: number): HeaderIndex | undefined {
    const keys: string[] = [];
    const places: number[] = [];
    if (text.endsWith('\n')) return undefined;
    for (let at = 0; at < text.length; ) {
      const newline = text.indexOf('\n', at);
      const end = newline < 0 ? text.length : newline - 1;
      if (newline >= 0 && text.charCodeAt(end) !== 0x0d) return undefined;
      const colon = text.indexOf(':', at);
      if (colon <= at || colon >= end) return undefined;
      let valueStart = colon + 1;
      let valueEnd = end;
      while (valueStart < valueEnd && isSpace(text.charCodeAt(valueStart))) valueStart++;
      while (valueEnd > valueStart && isSpace(text.charCodeAt(valueEnd - 1))) valueEnd--;
      // A folded line begins with a space, which is part of no name.
      const name = text.slice(at, colon);
      if (!isKnownHeader(name) && !TOKEN.test(name)) return undefined;
      if (keys.length === maxHeaders) return undefined;
      keys.push(headerKey(name));
      places.push(at, colon, valueStart, valueEnd);
      at = newline < 0 ? text.length : newline + 1;
    }
    if (keys.length === 0) return undefined;
    return new HeaderIndex(text, keys, places);
  }

  nameAt(line: number): string {
    return this.text.slice(this.places[line * FIELDS], this.places[line * FIELDS + 1]);
  }

  valueAt(line: number): string {
    return this.text.slice(this.places[line * FIELDS + 2], this.places[line * FIELDS + 3]);
  }

  /** Writes another value in place of one. */
  replace(line: number, value: string): void {
    const start = this.places[line * FIELDS + 2]!;
    const end = this.places[line * FIELDS + 3]!;
    this.text = this.text.slice(0, start) + value + this.text.slice(end);
    const shift = value.length - (end - start);
    this.places[line * FIELDS + 3]! += shift;
    this.topVia = undefined;
    for (let i = (line + 1) * FIELDS; i < this.places.length; i++) this.places[i]! += shift;
  }

  /** All lines as they came, each with its line end. */
  toString(): string {
    return `${this.text}\r\n`;
  }

  copy(): HeaderIndex {
    return new HeaderIndex(this.text, this.keys, [...this.places]);
  }
}

/** RFC 3261 §25.1. */
export const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/** What may stand around a value: space, tab, and the CR of a line that ended with it alone. */
export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d;
}
