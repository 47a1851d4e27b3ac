/** Formats in which a client may have its events. */
export type EventFormat = 'plain' | 'json' | 'xml';

/** An event of the media server: named headers in order and an optional body. */
export class EslEvent {
  readonly #encoded = new Map<EventFormat, Buffer>();

  constructor(
    readonly name: string,
    readonly headers: ReadonlyMap<string, string>,
    readonly body?: string,
  ) {}

  /** `Event-Subclass` of CUSTOM events. */
  get subclass(): string | undefined {
    return this.headers.get('Event-Subclass');
  }

  /** A header by its name in any case, as filters name it. */
  header(name: string): string | undefined {
    const exact = this.headers.get(name);
    if (exact !== undefined) return exact;
    const wanted = name.toLowerCase();
    for (const [key, value] of this.headers) {
      if (key.length === wanted.length && key.toLowerCase() === wanted) return value;
    }
    return undefined;
  }

  /** The event as a frame for the wire; made once per format, however many clients get it. */
  encode(format: EventFormat): Buffer {
    let frame = this.#encoded.get(format);
    if (!frame) {
      const text = format === 'json' ? this.#toJson() : format === 'xml' ? this.toXml() : this.#toPlain();
      const body = Buffer.from(text);
      const head = `Content-Length: ${body.length}\nContent-Type: text/event-${format}\n\n`;
      frame = Buffer.concat([Buffer.from(head), body]);
      this.#encoded.set(format, frame);
    }
    return frame;
  }

  #toPlain(): string {
    const head = encodeHeaders(this.headers);
    return this.body === undefined
      ? `${head}\n`
      : `${head}Content-Length: ${Buffer.byteLength(this.body)}\n\n${this.body}`;
  }

  #toJson(): string {
    const data: Record<string, string> = Object.fromEntries(this.headers);
    if (this.body !== undefined) {
      data['Content-Length'] = String(Buffer.byteLength(this.body));
      data._body = this.body;
    }
    return JSON.stringify(data);
  }

  /** The event as an XML document. */
  toXml(): string {
    const lines = [...this.headers].map(([name, value]) => `    <${name}>${escapeXml(encodeValue(value))}</${name}>`);
    const body =
      this.body === undefined
        ? ''
        : `  <Content-Length>${Buffer.byteLength(this.body)}</Content-Length>\n  <body>${escapeXml(this.body)}</body>\n`;
    return `<event>\n  <headers>\n${lines.join('\n')}\n  </headers>\n${body}</event>`;
  }
}

/** Header lines with percent-encoded values, as all plain-text answers have them. */
export function encodeHeaders(headers: ReadonlyMap<string, string>): string {
  let text = '';
  for (const [name, value] of headers) text += `${name}: ${encodeValue(value)}\n`;
  return text;
}

/** Percent-encoding that clients decode with decodeURIComponent; lone surrogates become U+FFFD instead of an exception. */
function encodeValue(value: string): string {
  return encodeURIComponent(Buffer.from(value, 'utf8').toString('utf8'));
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
