import {
  type Account,
  type Application,
  type PhoneNumber,
  ProvisioningSnapshot,
  type SipGateway,
  type VoipCarrier,
} from '@ringwire/common';
import { carrier as ordinaryCarrier, gateway as ordinaryGateway } from '@ringwire/common/testing/routing-rows.js';

const speech = { vendor: 'espeak', language: 'en', voice: null, label: null };

/** An account; what a test does not name is ordinary. */
export const account = (accountSid: string, more: Partial<Account> = {}): Account => ({
  accountSid,
  serviceProviderSid: 'sp',
  name: accountSid,
  sipRealm: null,
  isActive: true,
  webhookSecret: null,
  registrationHook: null,
  queueEventHook: null,
  deviceCallingApplicationSid: null,
  disableCdrs: false,
  enableDebugLog: false,
  recordAllCalls: false,
  ...more,
});

/** An application of the service provider, for all its accounts. */
export const application = (applicationSid: string, more: Partial<Application> = {}): Application => ({
  applicationSid,
  name: applicationSid,
  accountSid: null,
  serviceProviderSid: 'sp',
  callHook: null,
  callStatusHook: null,
  messagingHook: null,
  appJson: null,
  synthesizer: speech,
  recognizer: speech,
  fallbackSynthesizer: null,
  fallbackRecognizer: null,
  envVars: null,
  recordAllCalls: false,
  ...more,
});

/** A carrier of the service provider `sp`. */
export const carrier = (voipCarrierSid: string, more: Partial<VoipCarrier> = {}): VoipCarrier =>
  ordinaryCarrier(voipCarrierSid, { name: voipCarrierSid, accountSid: null, ...more });

/** An inbound gateway: `10.0.0.0/8` of a carrier. */
export const gateway = (network: string, voipCarrierSid: string, more: Partial<SipGateway> = {}): SipGateway => {
  const [address = '', netmask = '32'] = network.split('/');
  return ordinaryGateway(address, voipCarrierSid, {
    sipGatewaySid: `${network} of ${voipCarrierSid}`,
    netmask: Number(netmask),
    inbound: true,
    outbound: false,
    ...more,
  });
};

/** A number of a carrier that leads to an account's application. */
export const number = (
  text: string,
  voipCarrierSid: string,
  accountSid: string | null,
  applicationSid: string | null,
): PhoneNumber => ({
  phoneNumberSid: `${text} of ${voipCarrierSid}`,
  number: text,
  voipCarrierSid,
  accountSid,
  applicationSid,
  serviceProviderSid: null,
});

/** A snapshot with the applications `app-1` to `app-3`, of no account, and the given rows. */
export function snapshotOf(rows: {
  accounts: Account[];
  carriers: VoipCarrier[];
  gateways: SipGateway[];
  numbers?: PhoneNumber[];
  applications?: Application[];
}): ProvisioningSnapshot {
  return new ProvisioningSnapshot(
    {
      serviceProviders: [],
      accounts: rows.accounts,
      applications: [...['app-1', 'app-2', 'app-3'].map((sid) => application(sid)), ...(rows.applications ?? [])],
      webhooks: [],
      voipCarriers: rows.carriers,
      sipGateways: rows.gateways,
      phoneNumbers: rows.numbers ?? [],
    },
    [],
    0,
  );
}
