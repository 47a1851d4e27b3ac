import { isIP } from 'node:net';
import type { Endpoint, TransportName } from './transport.js';

/** A peer that did not take TCP is not asked again for so long: its connection attempt may take seconds to fail. */
const REMEMBER_MS = 300_000;
const MAX_REMEMBERED = 1000;

/** RFC 3261 §18.1.1: requests too large for a datagram go over TCP, and back to UDP where the peer does not take it. */
export class LargeRequests {
  /** Until when, in ms of the monotonic clock, by address. */
  private readonly withoutTcp = new Map<string, number>();

  constructor(
    private readonly maxDatagramBytes: number,
    private readonly speaks: (transport: TransportName, family: 4 | 6) => boolean,
  ) {}

  /** The targets, each UDP one with TCP before it where the request is large and its URI does not demand UDP. */
  plan(targets: readonly Endpoint[], requestBytes: number): readonly Endpoint[] {
    if (requestBytes <= this.maxDatagramBytes) return targets;
    return targets.flatMap((to) => (this.mayChange(to) ? [{ ...to, transport: 'tcp' as const }, to] : [to]));
  }

  /** A target did not take a request. @param answered it refused, thus does speak the transport */
  failed(to: Endpoint, answered: boolean): void {
    if (answered || to.transport !== 'tcp') return;
    this.withoutTcp.set(key(to), performance.now() + REMEMBER_MS);
    if (this.withoutTcp.size > MAX_REMEMBERED) this.withoutTcp.delete(this.withoutTcp.keys().next().value!);
  }

  private mayChange(to: Endpoint): boolean {
    if (to.transport !== 'udp' || !to.open?.transport) return false;
    if (!this.speaks('tcp', isIP(to.host) === 6 ? 6 : 4)) return false;
    return (this.withoutTcp.get(key(to)) ?? 0) < performance.now();
  }
}

function key({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
