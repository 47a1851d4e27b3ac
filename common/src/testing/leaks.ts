/** After a test: whether anything of its calls is left. */
import type { Redis } from '../redis/connection.js';

/** Where something of a call may be left: names what is there now, nothing when all is given back. */
export type LeakSource = () => string[] | Promise<string[]>;

/** How long calls that have ended may take to give everything back. */
const QUIET_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

/** Keys that no call owns: who is alive, who had calls, what was reported, what waits for its expiry. */
const NOT_OF_CALLS = [
  /^ringwire:(feature-servers?|sbcs?|fs-call-owners|fs-suspects|fs-calls-lock|fs-call-reported)\b/,
  /^ringwire:(events|banned|bans?|known-source|digest|nonce|gateway|circuit|trunk|registrar|registered|bindings|provisioning)\b/,
  /^ringwire:(message|messages|\{queue:|fraud|limit-told|sip-capture|timeline|takeover-route)/,
  /^(eph-gw-ip|registrar)/,
];

/** A number of things as a line; none when there are none. */
export const counted = (count: number, what: string): string[] => (count > 0 ? [`${count} ${what}`] : []);

/** The keys in Redis that belong to calls, conferences and queues. */
export const redisLeaks =
  (redis: Pick<Redis, 'keys'>, allowed: readonly RegExp[] = []): LeakSource =>
  async () =>
    (await redis.keys('*'))
      .filter((key) => ![...NOT_OF_CALLS, ...allowed].some((pattern) => pattern.test(key)))
      .map((key) => `Redis key ${key}`);

/**
 * Waits until nothing is left, since the last steps of a call's end are nobody's to await.
 *
 * @throws Error that names what is left
 */
export async function assertNothingLeft(sources: readonly LeakSource[], withinMs = QUIET_WITHIN_MS): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const left = (await Promise.all(sources.map((source) => source()))).flat();
    if (left.length === 0) return;
    if (performance.now() > deadline) throw new Error(`left behind by calls that have ended: ${left.join('; ')}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
