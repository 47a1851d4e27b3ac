import type { Alert, EventSink, VoipCarrier } from '@ringwire/common';

/** Raises an alert for the owner of a carrier: its account, or the service provider that shares it. */
export function trunkAlert(
  sink: EventSink,
  { accountSid, serviceProviderSid }: VoipCarrier,
  alert: Omit<Alert, 'accountSid' | 'serviceProviderSid'>,
): void {
  sink.emit('alert', { ...alert, accountSid, serviceProviderSid }, accountSid === null ? {} : { accountSid });
}
