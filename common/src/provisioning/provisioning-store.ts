import type { Secret } from '../config/secret.js';
import type { Database } from '../db/database.js';
import { DecryptionError, decryptSecret } from '../secrets/encryption.js';
import { type Decrypt, parseTable, type RawRow } from './columns.js';
import { parseHttpMessageGateway, parseSipGateway, parseSmppGateway, parseVoipCarrier } from './parse-carriers.js';
import {
  parseAccount,
  parseApplication,
  parseCallLimit,
  parseClient,
  parseDeviceLimit,
  parseFraudPolicy,
  parseLcr,
  parseLcrCarrierSetEntry,
  parseLcrRoute,
  parsePhoneNumber,
  parseRateDeck,
  parseServiceProvider,
  parseStirCredential,
  parseTeamsTenant,
  parseWebhook,
} from './parse-rows.js';
import type { CallLimitRow, LimitScope } from './rows.js';
import { ProvisioningSnapshot, type SkippedRow } from './snapshot.js';

/** Reads all provisioning tables as they were at one moment. @throws DatabaseError */
export async function readProvisioning(
  db: Database,
  encryptionSecret?: Secret | string,
): Promise<ProvisioningSnapshot> {
  const decrypt: Decrypt = (stored) => {
    if (encryptionSecret === undefined)
      throw new DecryptionError('is encrypted and this process has no ENCRYPTION_SECRET');
    return decryptSecret(stored, encryptionSecret);
  };
  return db.transaction(async (tx) => {
    const skipped: SkippedRow[] = [];
    const read = async <T>(table: string, sid: string, parse: (row: RawRow) => T, where = ''): Promise<T[]> => {
      const rows = await tx.query<RawRow>(`SELECT * FROM ${table}${where}`);
      return parseTable(table, sid, rows, parse, skipped);
    };
    const limits = (scope: LimitScope): Promise<CallLimitRow[]> =>
      read(
        `${scope}_limits`,
        `${scope}_limits_sid`,
        (row) => parseCallLimit(row, scope),
        " WHERE category = 'voice_call_session'",
      );
    const webhooks = await read('webhooks', 'webhook_sid', (row) => parseWebhook(row, decrypt));
    const hooks = new Map(webhooks.map((hook) => [hook.webhookSid, hook]));
    const rows = {
      webhooks,
      serviceProviders: await read('service_providers', 'service_provider_sid', (row) =>
        parseServiceProvider(row, hooks),
      ),
      accounts: await read('accounts', 'account_sid', (row) => parseAccount(row, hooks, decrypt)),
      applications: await read('applications', 'application_sid', (row) => parseApplication(row, hooks, decrypt)),
      voipCarriers: await read('voip_carriers', 'voip_carrier_sid', (row) => parseVoipCarrier(row, decrypt)),
      sipGateways: await read('sip_gateways', 'sip_gateway_sid', parseSipGateway),
      phoneNumbers: await read('phone_numbers', 'phone_number_sid', parsePhoneNumber),
      lcrs: await read('lcr', 'lcr_sid', parseLcr),
      lcrRoutes: await read('lcr_routes', 'lcr_route_sid', parseLcrRoute),
      lcrCarrierSetEntries: await read('lcr_carrier_set_entry', 'lcr_carrier_set_entry_sid', parseLcrCarrierSetEntry),
      stirCredentials: await read('stir_credentials', 'stir_credential_sid', (row) =>
        parseStirCredential(row, decrypt),
      ),
      fraudPolicies: await read('fraud_policies', 'owner_sid', parseFraudPolicy),
      teamsTenants: await read('ms_teams_tenants', 'ms_teams_tenant_sid', parseTeamsTenant),
      rateDecks: await read('rate_decks', 'rate_deck_sid', parseRateDeck),
      clients: await read('clients', 'client_sid', (row) => parseClient(row, decrypt)),
      deviceLimits: await read('account_limits', 'account_limits_sid', parseDeviceLimit, " WHERE category = 'device'"),
      smppGateways: await read('smpp_gateways', 'smpp_gateway_sid', parseSmppGateway),
      httpMessageGateways: await read('http_message_gateways', 'http_message_gateway_sid', (row) =>
        parseHttpMessageGateway(row, decrypt),
      ),
      callLimits: [
        ...(await limits('account')),
        ...(await limits('application')),
        ...(await limits('service_provider')),
      ],
    };
    return new ProvisioningSnapshot(rows, skipped, Date.now());
  });
}
