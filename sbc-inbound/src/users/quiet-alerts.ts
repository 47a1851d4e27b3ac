import { type Account, type Alert, type EventSink, nowMs } from '@ringwire/common';

/** Tells an account of something that devices cause again and again, once in a while. */
export type QuietAlerts = (account: Account, alert: Omit<Alert, 'accountSid' | 'serviceProviderSid'>) => void;

/** One alert of a type for an account in this time. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** @param now - monotonic clock in ms */
export function quietAlerts(sink: EventSink, now = (): number => performance.now()): QuietAlerts {
  const told = new Map<string, number>();
  return ({ accountSid, serviceProviderSid }, alert) => {
    const key = `${accountSid} ${alert.alertType}`;
    const at = now();
    if (at - (told.get(key) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    if (told.size >= MAX_REMEMBERED) told.clear();
    told.set(key, at);
    sink.emit('alert', { ...alert, accountSid, serviceProviderSid }, { accountSid, at: nowMs() });
  };
}
