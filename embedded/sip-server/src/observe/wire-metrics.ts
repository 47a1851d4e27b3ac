import { isTransportName, type TransportName } from '@ringwire/sip';
import { headerOf, headOf, type WireMessage } from './wire-message.js';

/** Method labels; anything else is `other`, so that strangers cannot make time series. */
const METHODS: ReadonlySet<string> = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK SUBSCRIBE NOTIFY PUBLISH INFO REFER MESSAGE UPDATE'.split(' '),
);
/** INVITEs whose answer is waited for; beyond that set-up times of the oldest are not measured. */
const MAX_OPEN_INVITES = 50_000;

/** How often something passed. */
export interface MessageCount {
  direction: 'in' | 'out';
  transport: TransportName;
  /** `other` for methods that no RFC names. */
  method: string;
  /** Status of responses; '' for requests. */
  code: string;
  messages: number;
  bytes: number;
}

/** Told how long calls take: seconds from the INVITE outside dialogs. `in`: it came to us; `out`: we sent it. */
export interface SetUpTimes {
  /** First response but 100. */
  alerted(direction: 'in' | 'out', seconds: number): void;
  /** 2xx. */
  answered(direction: 'in' | 'out', seconds: number): void;
}

/** Counts messages by direction, transport, method and status. Retransmissions count each time: it is what the wire saw. */
export class WireMetrics {
  private readonly byKey = new Map<string, MessageCount>();
  private readonly invites = new Map<string, { atUs: number; alerted: boolean }>();

  constructor(private readonly times: SetUpTimes) {}

  /** All counts; bounded by transports × methods × statuses. */
  get counts(): Iterable<MessageCount> {
    return this.byKey.values();
  }

  take(message: WireMessage): void {
    const { direction, peer, status, bytes } = message;
    const method = METHODS.has(message.method) ? message.method : 'other';
    // Statuses from the wire have three digits; those that no class has are one.
    const code = status === 0 ? '' : status >= 100 && status < 700 ? String(status) : 'other';
    const key = `${direction}${peer.transport}${method}${code}`;
    let count = this.byKey.get(key);
    if (!count) {
      const transport = isTransportName(peer.transport) ? peer.transport : 'udp';
      count = { direction, transport, method, code, messages: 0, bytes: 0 };
      this.byKey.set(key, count);
    }
    count.messages++;
    count.bytes += bytes.length;
    if (method === 'INVITE') this.time(message);
  }

  /** INVITEs whose final response has not come. */
  get openInvites(): number {
    return this.invites.size;
  }

  private time({ direction, status, callId, atUs, bytes }: WireMessage): void {
    if (status === 0) {
      const key = direction + callId;
      if (this.invites.has(key) || hasToTag(bytes)) return;
      if (this.invites.size >= MAX_OPEN_INVITES) {
        const [oldest = ''] = this.invites.keys();
        this.invites.delete(oldest);
      }
      this.invites.set(key, { atUs, alerted: false });
      return;
    }
    const asked = direction === 'in' ? 'out' : 'in';
    const invite = this.invites.get(asked + callId);
    if (!invite || status === 100) return;
    const seconds = (atUs - invite.atUs) / 1e6;
    if (!invite.alerted && status <= 299) {
      invite.alerted = true;
      this.times.alerted(asked, seconds);
    }
    if (status < 200) return;
    this.invites.delete(asked + callId);
    if (status <= 299) this.times.answered(asked, seconds);
  }
}

function hasToTag(bytes: Buffer): boolean {
  return /;[ \t]*tag[ \t]*=/i.test(headerOf(headOf(bytes), 'to|t').replace(/<[^>]*>/, ''));
}
