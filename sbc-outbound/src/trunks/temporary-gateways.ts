import { type Redis, temporaryGatewaysKey } from '@ringwire/common';
import { formatIp, parseIp } from '@ringwire/common/sip/ip-address.js';

/** What a registration opens: addresses from which the carrier may call until it expires. */
interface Opened {
  carrierSid: string;
  addresses: readonly string[];
  untilSec: number;
}

/**
 * The addresses of registrars, from which carriers may call for as long as we are registered there (`temporaryGatewaysKey`, read by sbc-inbound).
 * Several gateways of one carrier may have one address: it stays for as long as the longest of them.
 */
export class TemporaryGateways {
  readonly #opened = new Map<string, Opened>();

  constructor(private readonly redis: Redis) {}

  /** Opens the addresses for a carrier; those that a gateway's last registration opened, and this one does not, are closed. */
  async open(sipGatewaySid: string, carrierSid: string, addresses: readonly string[], untilMs: number): Promise<void> {
    const before = this.#opened.get(sipGatewaySid);
    const own = addresses.flatMap((address) => {
      const ip = parseIp(address);
      return ip ? [formatIp(ip)] : [];
    });
    this.#opened.set(sipGatewaySid, { carrierSid, addresses: own, untilSec: Math.floor(untilMs / 1000) });
    await this.#write(carrierSid, [...own, ...(before?.addresses ?? [])]);
  }

  /** Closes what a gateway's registration opened. */
  async close(sipGatewaySid: string): Promise<void> {
    const before = this.#opened.get(sipGatewaySid);
    if (!before) return;
    this.#opened.delete(sipGatewaySid);
    await this.#write(before.carrierSid, before.addresses);
  }

  /** Writes everything again, for a Redis that has lost it. */
  async renew(): Promise<void> {
    const nowSec = Date.now() / 1000;
    for (const [sid, { carrierSid, addresses, untilSec }] of this.#opened) {
      if (untilSec > nowSec) await this.#write(carrierSid, addresses);
      else this.#opened.delete(sid);
    }
  }

  /** Forgets everything without closing it: another process keeps it. */
  forget(): void {
    this.#opened.clear();
  }

  async #write(carrierSid: string, addresses: readonly string[]): Promise<void> {
    if (this.redis.status !== 'ready' || addresses.length === 0) return;
    const pipeline = this.redis.pipeline();
    for (const address of new Set(addresses)) {
      const key = temporaryGatewaysKey(address);
      const untilSec = this.#untilOf(carrierSid, address);
      if (untilSec === 0) pipeline.hdel(key, carrierSid);
      // The key lives as long as its longest entry, of whatever carrier.
      else
        pipeline
          .hset(key, carrierSid, untilSec)
          .expireat(key, untilSec + 1, 'NX')
          .expireat(key, untilSec + 1, 'GT');
    }
    await pipeline.exec();
  }

  #untilOf(carrierSid: string, address: string): number {
    let until = 0;
    for (const opened of this.#opened.values()) {
      if (opened.carrierSid === carrierSid && opened.addresses.includes(address))
        until = Math.max(until, opened.untilSec);
    }
    return until;
  }
}
