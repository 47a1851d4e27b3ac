import { MESSAGE_VENDOR_NAMES, MESSAGE_VENDORS } from '@ringwire/common';
import { badField, booleanField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';

const SMPP_FIELDS = ['voip_carrier_sid', 'ipv4', 'port', 'netmask', 'inbound', 'outbound', 'is_primary', 'use_tls'];
const SMPP_OWN_FIELDS = ['max_per_second', 'window_size'];
const HTTP_FIELDS = ['voip_carrier_sid', 'vendor', 'base_url', 'username', 'password', 'webhook_secret', 'is_active'];

/** An IP address or a host name. */
const HOST = /^(?=.{1,128}$)[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/;

/** A whole number. @throws HttpError 400 */
export function integerField(fields: Fields, field: string, min: number, max: number): number {
  const value = fields[field];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw badField(field, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** The columns that the body of a request names, checked; `voip_carrier_sid` is left to the caller. @throws HttpError 400 */
export function smppColumns(fields: Fields): Record<string, string | number | boolean | null> {
  rejectUnknown(fields, [...SMPP_FIELDS, ...SMPP_OWN_FIELDS]);
  const columns: Record<string, string | number | boolean | null> = {};
  if (fields.ipv4 !== undefined) {
    const host = textField(fields, 'ipv4', 128);
    if (!HOST.test(host)) throw badField('ipv4', 'must be an IP address or a host name');
    columns.ipv4 = host;
  }
  if (fields.port !== undefined) columns.port = integerField(fields, 'port', 1, 65_535);
  if (fields.netmask !== undefined) columns.netmask = integerField(fields, 'netmask', 1, 128);
  for (const name of ['inbound', 'outbound', 'is_primary', 'use_tls']) {
    if (fields[name] !== undefined) columns[name] = booleanField(fields, name);
  }
  if (fields.max_per_second !== undefined) {
    columns.max_per_second = fields.max_per_second === null ? null : integerField(fields, 'max_per_second', 1, 100_000);
  }
  if (fields.window_size !== undefined) columns.window_size = integerField(fields, 'window_size', 1, 1_000);
  return columns;
}

/** Checks that the vendor's signatures can be checked with a secret. @throws HttpError 400 */
export function requireWebhookSecret(vendor: unknown, secret: unknown): void {
  const name = MESSAGE_VENDOR_NAMES.find((known) => known === vendor);
  if (typeof secret !== 'string' || name === undefined) return;
  const problem = MESSAGE_VENDORS[name].secretProblem(secret);
  if (problem !== undefined) throw badField('webhook_secret', problem);
}

/** The same for HTTP gateways; secrets are in clear text. @throws HttpError 400 */
export function httpColumns(fields: Fields): Record<string, string | boolean | null> {
  rejectUnknown(fields, HTTP_FIELDS);
  const columns: Record<string, string | boolean | null> = {};
  if (fields.vendor !== undefined) {
    const vendor = MESSAGE_VENDOR_NAMES.find((name) => name === fields.vendor);
    if (vendor === undefined) throw badField('vendor', `must be one of ${MESSAGE_VENDOR_NAMES.join(', ')}`);
    columns.vendor = vendor;
  }
  if (fields.base_url !== undefined) {
    const url = optionalTextField(fields, 'base_url', 1_024);
    if (url !== null && !(URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) {
      throw badField('base_url', 'must be an http or https URL');
    }
    columns.base_url = url;
  }
  if (fields.username !== undefined) columns.username = optionalTextField(fields, 'username', 255);
  if (fields.password !== undefined) columns.password = optionalTextField(fields, 'password', 512);
  if (fields.webhook_secret !== undefined) columns.webhook_secret = optionalTextField(fields, 'webhook_secret', 512);
  if (fields.is_active !== undefined) columns.is_active = booleanField(fields, 'is_active');
  return columns;
}
