/** Carriers of tests that want us registered, and what is told of them. */
import { EVENT_STREAM, type EventEnvelope, PROVISIONING_CHANGED, temporaryGatewaysKey } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import { readTrunkRegistrations, type TrunkRegistrationState } from '@ringwire/common/trunks/trunk-registrations.js';
import type { Stores, Teardown } from '@ringwire/sbc-inbound/testing/stores.js';
import type { SbcOutbound } from '../sbc-outbound.js';
import { Provisioner } from './carriers.js';

/** Settings under which a test need not wait for long. */
export const TRUNK_ENV = { REGISTER_TIMEOUT_MS: '2000', REGISTER_RETRY_MS: '40', TRUNK_LEASE_MS: '3000' };

/** A carrier of the seed's account that wants us registered, with one gateway. */
export interface TestTrunk {
  carrierSid: string;
  gatewaySid: string;
}

/** Trunks of one test file, in its database. */
export class TestTrunks {
  readonly #rows: Provisioner;

  constructor(
    t: Teardown,
    private readonly stores: Stores,
    private readonly sbc: SbcOutbound,
  ) {
    this.#rows = new Provisioner(t, stores, () => sbc);
  }

  /** Changes rows, and tells all processes. */
  async change(sql: string, params: (string | number | null)[]): Promise<void> {
    await this.sbc.edge.db.execute(sql, params);
    await this.stores.redis.publish(PROVISIONING_CHANGED, 'voip_carriers');
  }

  /** Adds a trunk, which goes with the test. */
  async add(
    t: Teardown,
    registrar: { host: string; port: number },
    columns: Record<string, string | number | null> = {},
  ): Promise<TestTrunk> {
    const carrierSid = await this.#rows.add({
      carrier: {
        requires_register: 1,
        register_username: 'ringwire',
        register_password: 'secret',
        register_sip_realm: 'carrier.example',
        register_public_ip_in_contact: 1,
        ...columns,
      },
      gateways: [registrar],
    });
    await this.stores.redis.publish(PROVISIONING_CHANGED, 'voip_carriers');
    t.teardown(() => this.remove(carrierSid));
    const [gateway] = this.sbc.edge.provisioning.snapshot().gatewaysByCarrierSid.get(carrierSid) ?? [];
    return { carrierSid, gatewaySid: gateway!.sipGatewaySid };
  }

  async remove(carrierSid: string): Promise<void> {
    await this.change('DELETE FROM sip_gateways WHERE voip_carrier_sid = ?', [carrierSid]);
    await this.change('DELETE FROM voip_carriers WHERE voip_carrier_sid = ?', [carrierSid]);
  }

  async stateOf({ gatewaySid }: TestTrunk): Promise<TrunkRegistrationState | null> {
    return (await readTrunkRegistrations(this.stores.redis, [gatewaySid]))[0] ?? null;
  }

  /** Waits until a registration stands, or fails. */
  becomes(trunk: TestTrunk, status: 'ok' | 'fail'): Promise<TrunkRegistrationState> {
    return until(`the registration is ${status}`, async () => {
      const state = await this.stateOf(trunk);
      return state?.status === status && state;
    });
  }

  /** Types of the alerts about a carrier, in order. */
  async alertsAbout({ carrierSid }: TestTrunk): Promise<string[]> {
    const entries = await this.stores.redis.xrange(EVENT_STREAM, '-', '+');
    const events = entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as EventEnvelope);
    return events.flatMap((event) =>
      event.type === 'alert' && event.data.targetSid === carrierSid ? [event.data.alertType] : [],
    );
  }

  /** Until when a carrier may call from an address because we are registered there; unix seconds. */
  openedTo({ carrierSid }: TestTrunk, ip = '127.0.0.1'): Promise<string | null> {
    return this.stores.redis.hget(temporaryGatewaysKey(ip), carrierSid);
  }
}
