import { headerKey, isKnownHeader } from './header-names.js';

/** Places that are kept of a line: its start, its colon, its end. */
const FIELDS = 3;

/**
 * The header lines of a received message by their places in its text. A name or value is cut out when somebody asks for
 * it: of a message that passes through most are never looked at.
 */
export class HeaderIndex {
  private constructor(
    private text: string,
    /** Lower-case long names, in order. */
    readonly keys: string[],
    private readonly places: number[],
  ) {}

  /**
   * Indexes header lines; the last one comes without its line end. Undefined for what is not written as this server itself
   * would write it (`Name: value`, CRLF, not folded), or is faulty: that is read line by line.
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
      // A line begins with its name, has one space after the colon and then a value without spaces around it.
      if (colon <= at || colon + 2 >= end || text.charCodeAt(colon + 1) !== 0x20) return undefined;
      if (isSpace(text.charCodeAt(colon + 2)) || isSpace(text.charCodeAt(end - 1))) return undefined;
      const name = text.slice(at, colon);
      if (!isKnownHeader(name) && !TOKEN.test(name)) return undefined;
      if (keys.length === maxHeaders) return undefined;
      keys.push(headerKey(name));
      places.push(at, colon, end);
      at = newline < 0 ? text.length : newline + 1;
    }
    if (keys.length === 0) return undefined;
    return new HeaderIndex(text, keys, places);
  }

  nameAt(line: number): string {
    return this.text.slice(this.places[line * FIELDS], this.places[line * FIELDS + 1]);
  }

  valueAt(line: number): string {
    return this.text.slice(this.places[line * FIELDS + 1]! + 2, this.places[line * FIELDS + 2]);
  }

  /** Writes another value in place of one. */
  replace(line: number, value: string): void {
    const [start, end] = [this.places[line * FIELDS + 1]! + 2, this.places[line * FIELDS + 2]!];
    this.text = this.text.slice(0, start) + value + this.text.slice(end);
    const shift = value.length - (end - start);
    this.places[line * FIELDS + 2]! += shift;
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
