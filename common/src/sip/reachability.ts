import type { SipLink } from './link.js';

/** Which processes' SIP servers answer. */
export interface Reachability {
  /** True until {@link MISSES} probes in a row went unanswered. */
  reachable(sipAddress: string): boolean;
  close(): void;
}

/**
 * How often each is asked. With the deadline and the misses this says how long calls go to a dead SIP server: 2 s, of the 5 s in which its calls are to
 * be released. Shorter ones would take a machine that stands still for a moment for a dead one.
 */
const PROBE_EVERY_MS = 500;
const ANSWER_DEADLINE_MS = 1_000;
/** A single lost datagram proves nothing. */
const MISSES = 2;

/** Sends OPTIONS and resolves to whether anything came back in time. Never rejects. */
function answers({ stack }: SipLink, sipAddress: string): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ANSWER_DEADLINE_MS);
    const done = (answered: boolean): void => {
      clearTimeout(timer);
      resolve(answered);
    };
    try {
      stack.request(
        `sip:${sipAddress}`,
        { method: 'OPTIONS', headers: { 'User-Agent': 'ringwire' } },
        (error, sent) => {
          // What our own SIP server would not send says nothing of the other.
          if (error || !sent) done(true);
          else sent.on('response', ({ status }) => status >= 200 && done(status !== 408));
        },
      );
    } catch {
      // drachtio-srf throws when the control connection is just lost.
      done(true);
    }
  });
}

/**
 * Asks the SIP server of every process of the list whether it is there: an INVITE to a dead one would wait 32 s (timer B) before the
 * next can be tried, and drachtio-srf does not tell of the 100 that a living one sends at once.
 */
export function watchReachability(
  link: SipLink,
  instances: { list(): readonly { sipAddress: string }[] },
): Reachability {
  const misses = new Map<string, number>();
  const ask = async (sipAddress: string): Promise<void> => {
    const answered = await answers(link, sipAddress);
    misses.set(sipAddress, answered || !link.up ? 0 : (misses.get(sipAddress) ?? 0) + 1);
  };
  const timer = setInterval(() => {
    const addresses = new Set(instances.list().map(({ sipAddress }) => sipAddress));
    for (const known of misses.keys()) if (!addresses.has(known)) misses.delete(known);
    if (!link.up) return;
    // The next question does not wait for the answer to the last: a dead one would be asked half as often.
    for (const address of addresses) void ask(address);
  }, PROBE_EVERY_MS);
  timer.unref();
  return {
    reachable: (sipAddress) => (misses.get(sipAddress) ?? 0) < MISSES,
    close: () => clearInterval(timer),
  };
}
