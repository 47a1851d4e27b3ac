import type Mrf from 'drachtio-fsmrf';
import { MediaServerError } from '../errors.js';
import { untilAborted, within } from './deadline.js';

const COMMAND_DEADLINE_MS = 5_000;
const BRIDGE_DEADLINE_MS = 5_000;

/** An event of the media server about one channel. */
export interface ChannelEvent {
  header(name: string): string | undefined;
  readonly body: string;
}

/** What drachtio-modesl hands out. */
interface EslEvent {
  getHeader(name: string): string | null | undefined;
  getBody(): string | undefined;
}

/** One channel of the media server for what drachtio-fsmrf has no method of: commands, applications, events. */
export class EventSocketChannel {
  #hearsBridges = false;

  constructor(
    private readonly endpoint: Mrf.Endpoint,
    /** Aborts when the channel is lost. */
    private readonly lost: AbortSignal,
  ) {}

  get uuid(): string {
    return this.endpoint.uuid;
  }

  /**
   * Sends an `api` command. Text of an application must not stand in `args` unless it is known to hold no `${…}`, quote or line break.
   * @returns the answer's text
   * @throws MediaServerError on `-ERR`, on loss of the channel and after five seconds
   */
  async api(command: string, args: readonly string[]): Promise<string> {
    const sent = this.endpoint.api(command, [...args]) as Promise<EslEvent | undefined>;
    const answer = await within(COMMAND_DEADLINE_MS, sent, () => this.#gone(command), this.lost);
    const text = (answer?.getBody() ?? '').trim();
    if (text.startsWith('-ERR') || text.startsWith('-USAGE')) throw new MediaServerError(`${command}: ${text}`);
    return text;
  }

  /**
   * Sets channel variables; an empty value unsets one.
   * @throws MediaServerError
   */
  async set(variables: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, value] of Object.entries(variables)) {
      await within(COMMAND_DEADLINE_MS, this.endpoint.set(name, value), () => this.#gone('set'), this.lost);
    }
  }

  /**
   * Runs a dialplan application; resolves when it ends, however long that takes.
   * @throws MediaServerError when the channel is lost
   */
  async execute(application: string, argument: string): Promise<void> {
    await untilAborted(this.endpoint.execute(application, argument), this.lost, () => this.#gone(application));
  }

  /**
   * Joins it with another channel; resolves when the two hear each other. FreeSWITCH answers before that, and who is told to leave meanwhile
   * (`uuid_transfer -both`) goes, but the other is stuck for good.
   * @throws MediaServerError; Error with the media server's answer
   */
  async bridge(other: string): Promise<void> {
    const { conn } = this.endpoint;
    if (!conn) throw this.#gone('bridge');
    if (!this.#hearsBridges) conn.subscribe('CHANNEL_BRIDGE');
    this.#hearsBridges = true;
    const event = `esl::event::CHANNEL_BRIDGE::${this.uuid}` as const;
    let tell = (): void => {};
    const joined = new Promise<void>((resolve) => {
      tell = resolve;
    });
    conn.on(event, tell);
    try {
      const both = Promise.all([this.endpoint.bridge(other), joined]);
      await within(BRIDGE_DEADLINE_MS, both, () => this.#gone('bridge'), this.lost);
    } finally {
      conn.off(event, tell);
    }
  }

  /** Calls back for the CUSTOM events of a subclass that are about this channel, until the returned function is called. */
  onCustom(subclass: string, listener: (event: ChannelEvent) => void): () => void {
    const heard = (_body: unknown, event: EslEvent): void =>
      listener({ header: (name) => event.getHeader(name) ?? undefined, body: event.getBody() ?? '' });
    this.endpoint.addCustomEventListener(subclass, heard);
    return () => this.endpoint.removeCustomEventListener(subclass, heard);
  }

  /**
   * Calls back for the CUSTOM events of a subclass that have a header of this value and may be about no channel, until the returned function is
   * called. For {@link onCustom} drachtio-fsmrf hands out what is about this channel only.
   */
  onCustomWith(
    subclass: string,
    [name, value]: readonly [name: string, value: string],
    listener: (event: ChannelEvent) => void,
  ): () => void {
    const { conn } = this.endpoint;
    if (!conn) return () => {};
    const heard = (event: EslEvent): void => {
      if (event.getHeader('Event-Subclass') !== subclass || event.getHeader(name) !== value) return;
      listener({ header: (other) => event.getHeader(other) ?? undefined, body: event.getBody() ?? '' });
    };
    conn.on('esl::event::CUSTOM::*', heard);
    conn.filter(name, value);
    return () => {
      conn.off('esl::event::CUSTOM::*', heard);
      if (this.endpoint.connected) conn.filterDelete(name, value);
    };
  }

  #gone(what: string): MediaServerError {
    return new MediaServerError(`media endpoint was lost during ${what}`, { uuid: this.endpoint.uuid });
  }
}
