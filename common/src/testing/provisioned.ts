/** Rows that tests of several packages start from: one service provider, two accounts, a carrier with gateways, numbers. */
import type { Database } from '../db/database.js';

/** Sids of the rows that {@link seedProvisioning} writes. */
export const SEED = {
  serviceProviderSid: '00000000-0000-4000-8000-000000000001',
  otherServiceProviderSid: '00000000-0000-4000-8000-000000000002',
  accountSid: '00000000-0000-4000-8000-000000000011',
  /** Of the same service provider. */
  siblingAccountSid: '00000000-0000-4000-8000-000000000012',
  /** Of the other service provider. */
  strangerAccountSid: '00000000-0000-4000-8000-000000000013',
  callHookSid: '00000000-0000-4000-8000-000000000021',
  statusHookSid: '00000000-0000-4000-8000-000000000022',
  applicationSid: '00000000-0000-4000-8000-000000000031',
  /** Of the account. */
  carrierSid: '00000000-0000-4000-8000-000000000041',
  /** Of the service provider. */
  sharedCarrierSid: '00000000-0000-4000-8000-000000000042',
  gatewaySid: '00000000-0000-4000-8000-000000000051',
  phoneNumberSid: '00000000-0000-4000-8000-000000000061',
  /** Its application is reached by this number. */
  number: '15551234567',
  adminToken: '00000000-0000-4000-8000-0000000000a1',
  serviceProviderToken: '00000000-0000-4000-8000-0000000000a2',
  accountToken: '00000000-0000-4000-8000-0000000000a3',
  strangerToken: '00000000-0000-4000-8000-0000000000a4',
  expiredToken: '00000000-0000-4000-8000-0000000000a5',
} as const;

/** Writes the rows named in {@link SEED} into a migrated, empty database. */
export async function seedProvisioning(db: Database): Promise<void> {
  const s = SEED;
  await db.execute('INSERT INTO service_providers (service_provider_sid, name) VALUES ?', [
    [
      [s.serviceProviderSid, 'first'],
      [s.otherServiceProviderSid, 'second'],
    ],
  ]);
  await db.execute(
    'INSERT INTO accounts (account_sid, name, service_provider_sid, sip_realm, webhook_secret) VALUES ?',
    [
      [
        [s.accountSid, 'one', s.serviceProviderSid, 'One.example.com', 'wh_secret_one'],
        [s.siblingAccountSid, 'two', s.serviceProviderSid, null, 'wh_secret_two'],
        [s.strangerAccountSid, 'three', s.otherServiceProviderSid, null, 'wh_secret_three'],
      ],
    ],
  );
  await db.execute('INSERT INTO webhooks (webhook_sid, url) VALUES ?', [
    [
      [s.callHookSid, 'http://127.0.0.1:9/call'],
      [s.statusHookSid, 'http://127.0.0.1:9/status'],
    ],
  ]);
  await db.execute(
    'INSERT INTO applications (application_sid, name, account_sid, call_hook_sid, call_status_hook_sid) VALUES (?)',
    [[s.applicationSid, 'hello', s.accountSid, s.callHookSid, s.statusHookSid]],
  );
  await db.execute('INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, service_provider_sid) VALUES ?', [
    [
      [s.carrierSid, 'carrier', s.accountSid, s.serviceProviderSid],
      [s.sharedCarrierSid, 'shared', null, s.serviceProviderSid],
    ],
  ]);
  await db.execute(
    'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, netmask, port, inbound, outbound, voip_carrier_sid) VALUES (?)',
    [[s.gatewaySid, '127.0.0.1', 32, 5060, true, true, s.carrierSid]],
  );
  await db.execute(
    'INSERT INTO phone_numbers (phone_number_sid, number, voip_carrier_sid, account_sid, application_sid) VALUES (?)',
    [[s.phoneNumberSid, s.number, s.carrierSid, s.accountSid, s.applicationSid]],
  );
  await db.execute(
    'INSERT INTO api_keys (api_key_sid, token, account_sid, service_provider_sid, expires_at) VALUES ?',
    [
      [
        [s.adminToken, s.adminToken, null, null, null],
        [s.serviceProviderToken, s.serviceProviderToken, null, s.serviceProviderSid, null],
        [s.accountToken, s.accountToken, s.accountSid, null, null],
        [s.strangerToken, s.strangerToken, s.strangerAccountSid, null, null],
        [s.expiredToken, s.expiredToken, s.accountSid, null, new Date('2020-01-01T00:00:00Z')],
      ],
    ],
  );
}
