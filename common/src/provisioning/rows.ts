/** Rows of the provisioning tables as the call path wants them: camelCase, typed, hooks attached, secrets decrypted. */
import type { FraudPolicyRow } from '../fraud/policy.js';
import type { MessageVendorName } from '../messages/vendors/registry.js';
import type { HttpMessageAccount } from '../messages/vendors/vendor.js';
import type { RecordingFormat } from '../recordings/recording-place.js';
import type { StirCredential } from '../stir/signer.js';

/** A customer's HTTP(S) or WebSocket address. */
export interface Webhook {
  webhookSid: string;
  url: string;
  method: 'GET' | 'POST';
  username: string | null;
  password: string | null;
}

/** A reseller: owns accounts and shared carriers. */
export interface ServiceProvider {
  serviceProviderSid: string;
  name: string;
  rootDomain: string | null;
  registrationHook: Webhook | null;
}

/**
 * What is done about the callers' identities that STIR verifies: nothing, told to the application, or calls without a valid one
 * refused.
 */
export type StirPolicy = 'off' | 'tag' | 'enforce';

/** A customer. */
export interface Account {
  accountSid: string;
  serviceProviderSid: string;
  name: string;
  /** Lower case. */
  sipRealm: string | null;
  isActive: boolean;
  /** Signs what is sent to the account's hooks; null when it cannot be decrypted. */
  webhookSecret: string | null;
  registrationHook: Webhook | null;
  queueEventHook: Webhook | null;
  deviceCallingApplicationSid: string | null;
  disableCdrs: boolean;
  enableDebugLog: boolean;
  recordAllCalls: boolean;
  /** Absent: `wav`. */
  recordFormat?: RecordingFormat;
  /** JSON in the words of the REST API, to be read by `parseBucketCredential`; null or absent: the operator's storage. */
  bucketCredential?: string | null;
  /** Null or absent: `tag`. */
  stirPolicy?: StirPolicy | null;
  /** Users who may be registered for each call that the account may have at once; absent: 5, as in jambonz. */
  deviceToCallRatio?: number;
}

/** A user of an account: devices that know the password register and call in its name. */
export interface Client {
  clientSid: string;
  accountSid: string;
  /** Unique within the account; upper and lower case differ (RFC 3261 §19.1.4). */
  username: string;
  password: string;
  isActive: boolean;
  /** Whether the user may call `app-<sid>`. */
  allowDirectAppCalling: boolean;
  /** Whether the user may call `queue-<name>`. */
  allowDirectQueueCalling: boolean;
  /** Whether the user may call other users. */
  allowDirectUserCalling: boolean;
  /** Calls at the same time, in each direction; null: any number. */
  callLimit: number | null;
}

/** A vendor with language, voice and label, as an application or a verb chooses them. */
export interface SpeechChoice {
  vendor: string;
  language: string;
  /** Synthesis only. */
  voice: string | null;
  label: string | null;
}

/** What answers a call: hooks and speech defaults. */
export interface Application {
  applicationSid: string;
  name: string;
  accountSid: string | null;
  serviceProviderSid: string | null;
  callHook: Webhook | null;
  callStatusHook: Webhook | null;
  messagingHook: Webhook | null;
  /** Verbs to run instead of asking the hook, as JSON text. */
  appJson: string | null;
  /** Asked when the call hook fails; absent or null: nobody is. */
  fallbackCallHook?: Webhook | null;
  /** Verbs to run when the hooks fail, as JSON text; not checked when it is loaded. */
  fallbackAppJson?: string | null;
  synthesizer: SpeechChoice;
  recognizer: SpeechChoice;
  fallbackSynthesizer: SpeechChoice | null;
  fallbackRecognizer: SpeechChoice | null;
  /** Environment of the application, as JSON text. */
  envVars: string | null;
  recordAllCalls: boolean;
}

/** How calls leave over a carrier, beyond what jambonz's columns say. */
export interface OutboundRules {
  /** `own_numbers`: only numbers that are provisioned for the account are shown as caller; others are replaced. */
  callerIdPolicy: 'pass' | 'own_numbers';
  /** Shown where the policy forbids the call's own number. */
  callerId: string | null;
  /**
   * Which header says who calls where From must not (RFC 3325, draft-ietf-sip-privacy-04 for Remote-Party-ID); `none`: the
   * carrier is not trusted with it, and none goes there.
   */
  identityHeader: 'pai' | 'ppi' | 'rpid' | 'none';
  /** From names our registered user; the caller stands in the identity header. */
  fromRegisterUsername: boolean;
  /** Digits; with it numbers of that country are dialled nationally, all others internationally. */
  countryCode: string | null;
  /** Before the national number: `0`. */
  nationalPrefix: string;
  /** Before the number of another country: `00`. */
  internationalPrefix: string;
  /** How long a gateway may leave an INVITE without a response above 100, in ms; null: `GATEWAY_RESPONSE_MS` of sbc-outbound. */
  responseMs: number | null;
  /** Final responses after which the next gateway is tried, as `404` or `5xx`; null: the platform's own list. */
  failoverStatuses: readonly string[] | null;
  /** Codec names to offer, in order of preference; empty: those of the feature server. */
  codecs: readonly string[];
}

/** The rules of a carrier about which nothing is said. */
export const DEFAULT_OUTBOUND_RULES: OutboundRules = {
  callerIdPolicy: 'pass',
  callerId: null,
  identityHeader: 'pai',
  fromRegisterUsername: false,
  countryCode: null,
  nationalPrefix: '',
  internationalPrefix: '',
  responseMs: null,
  failoverStatuses: null,
  codecs: [],
};

/** How a carrier's calls to us look. */
export interface InboundRules {
  /** Only calls with this header are its calls, where several carriers have the same address; null: no matter. */
  header: string | null;
  /** What the header must say; null: it must be there. */
  headerValue: string | null;
  /** Only calls of this trunk group (RFC 4904 `tgrp`) are its calls; null: no matter. */
  trunkGroup: string | null;
  /** Together with the trunk group: `trunk-context`. */
  trunkContext: string | null;
  /** Digits. With it, numbers of its calls are brought into E.164; null: they are taken as they come. */
  countryCode: string | null;
  /** Before a national number: `0`. */
  nationalPrefix: string;
  /** Before the number of another country: `00`. */
  internationalPrefix: string;
  /** Digits of a national number, for countries that write them without prefix: 10 in the USA. */
  nationalLength: number | null;
}

/** A carrier whose calls are told by address, realm and number, and that writes numbers as they are stored. */
export const DEFAULT_INBOUND_RULES: InboundRules = {
  header: null,
  headerValue: null,
  trunkGroup: null,
  trunkContext: null,
  countryCode: null,
  nationalPrefix: '',
  internationalPrefix: '',
  nationalLength: null,
};

/** A trunk provider. */
export interface VoipCarrier {
  voipCarrierSid: string;
  name: string;
  /** Null: shared by the service provider. */
  accountSid: string | null;
  serviceProviderSid: string | null;
  /** Takes calls to numbers that are not provisioned. */
  applicationSid: string | null;
  isActive: boolean;
  e164LeadingPlus: boolean;
  techPrefix: string | null;
  diversion: string | null;
  trunkType: 'static_ip' | 'auth' | 'reg';
  dtmfType: 'rfc2833' | 'tones' | 'info';
  inboundAuthUsername: string | null;
  inboundAuthPassword: string | null;
  requiresRegister: boolean;
  registerUsername: string | null;
  registerPassword: string | null;
  registerSipRealm: string | null;
  registerFromUser: string | null;
  registerFromDomain: string | null;
  /** Contact names the edge's own address; else, or absent, the account's SIP realm where it has one. */
  registerPublicIpInContact?: boolean;
  outboundSipProxy: string | null;
  outboundRules: OutboundRules;
  /** Absent: {@link DEFAULT_INBOUND_RULES}. */
  inboundRules?: InboundRules;
  /** Null or absent: that of the account that is called. */
  stirPolicy?: StirPolicy | null;
  /** How we log in at its SMPP gateways; null or absent: it has none. */
  smpp?: SmppLogin | null;
  /** With what the carrier's clients bind to our SMPP server; null: they do not. */
  smppInbound?: (SmppLogin & { password: string }) | null;
}

/** Credentials at a carrier's SMPP gateways. */
export interface SmppLogin {
  systemId: string;
  password: string | null;
  /** How often a silent link is asked whether it is there; null: the platform's own interval. */
  enquireLinkMs: number | null;
}

/** Where a carrier takes text messages over SMPP, and from where its clients bind to us. */
export interface SmppGateway {
  smppGatewaySid: string;
  voipCarrierSid: string;
  /** IP address or host name. */
  address: string;
  /** Prefix length of the network from which the carrier's clients bind to us. @defaultValue 32 */
  netmask?: number;
  port: number;
  /** Whether messages are sent there. */
  outbound: boolean;
  /** Whether messages are taken from there. */
  inbound: boolean;
  /** Tried before those that are not. */
  isPrimary: boolean;
  useTls: boolean;
  /** Messages a second; null: as many as the window lets through. */
  maxPerSecond: number | null;
  /** Messages at a time that the carrier has not answered. */
  windowSize: number;
}

/** Where a carrier takes text messages over HTTP. */
export interface HttpMessageGateway extends HttpMessageAccount {
  httpMessageGatewaySid: string;
  voipCarrierSid: string;
  vendor: MessageVendorName;
  /** Part of the URL that the vendor posts to. */
  inboundToken: string;
  isActive: boolean;
}

/** An address of a carrier: where its calls come from, or where calls to it go. */
export interface SipGateway {
  sipGatewaySid: string;
  voipCarrierSid: string;
  /** IP address, or for outbound a host name. */
  address: string;
  /** Length of the network prefix: 1–32, for IPv6 1–128. */
  netmask: number;
  /** Null: the transport's default. */
  port: number | null;
  inbound: boolean;
  outbound: boolean;
  isActive: boolean;
  protocol: 'udp' | 'tcp' | 'tls' | 'tls/srtp';
  sendOptionsPing: boolean;
  useSipsScheme: boolean;
  /** Gateways of a carrier with a smaller number are tried first. */
  priority: number;
  /** Share of the calls among gateways of the same priority; 0: only when the others failed. */
  weight: number;
  padCrypto: boolean;
  removeIce: boolean;
  dtlsOff: boolean;
}

/** A number that leads to an application. */
export interface PhoneNumber {
  phoneNumberSid: string;
  /** Digits, or a pattern: a trailing `*` stands for any digits, anything else with a non-digit is a regular expression. */
  number: string;
  voipCarrierSid: string | null;
  accountSid: string | null;
  applicationSid: string | null;
  serviceProviderSid: string | null;
}

/** Least-cost routing of an account, or of a service provider for all its accounts that have none. */
export interface Lcr {
  lcrSid: string;
  name: string | null;
  isActive: boolean;
  /** Null: that of the service provider. */
  accountSid: string | null;
  serviceProviderSid: string | null;
  /** Takes what no route matches. */
  defaultCarrierSetEntrySid: string | null;
}

/** A rule of an LCR: numbers that match go to the carriers of its set. */
export interface LcrRoute {
  lcrRouteSid: string;
  lcrSid: string;
  /** Digits, with or without a `*` after them, are a prefix; anything else is a regular expression. */
  regex: string;
  description: string | null;
  /** Lower first. */
  priority: number;
  /** How carriers of equal priority are ordered: by chance, each with its share, or by price. */
  strategy: 'workload' | 'least_cost';
}

/** A carrier of a route's set. */
export interface LcrCarrierSetEntry {
  lcrCarrierSetEntrySid: string;
  lcrRouteSid: string;
  voipCarrierSid: string;
  /** Share among entries of the same priority; 0: only after the others. */
  workload: number;
  /** Lower first. */
  priority: number;
}

/** What a carrier takes, as an account or a service provider has imported it; the prices themselves are loaded apart. */
export interface RateDeck {
  rateDeckSid: string;
  name: string;
  /** Null: for all accounts of the service provider. */
  accountSid: string | null;
  serviceProviderSid: string;
  voipCarrierSid: string;
  currency: string;
  /** The import that counts; null before the first. */
  activeVersion: number | null;
}

/** What a limit is for. */
export type LimitScope = 'account' | 'application' | 'service_provider';

/** How many users of an account may be registered beyond those that its calls allow for (jambonz's category `device`). */
export interface DeviceLimitRow {
  accountSid: string;
  quantity: number;
}

/** How many calls at once somebody may have, in each direction. */
export interface CallLimitRow {
  scope: LimitScope;
  /** Of the account, application or service provider. */
  sid: string;
  quantity: number;
}

/** A customer's Microsoft Teams, reached by direct routing. */
export interface TeamsTenant {
  msTeamsTenantSid: string;
  serviceProviderSid: string;
  accountSid: string;
  /** Takes calls of the tenant's users; null: nobody does. */
  applicationSid: string | null;
  /** The domain by which Teams knows us for this tenant, lower case. */
  tenantFqdn: string;
}

/** All that the call path needs to know, as it was at one moment. */
export interface ProvisioningRows {
  serviceProviders: ServiceProvider[];
  accounts: Account[];
  applications: Application[];
  webhooks: Webhook[];
  voipCarriers: VoipCarrier[];
  sipGateways: SipGateway[];
  phoneNumbers: PhoneNumber[];
  lcrs?: Lcr[];
  lcrRoutes?: LcrRoute[];
  lcrCarrierSetEntries?: LcrCarrierSetEntry[];
  rateDecks?: RateDeck[];
  teamsTenants?: TeamsTenant[];
  stirCredentials?: StirCredential[];
  /** Absent: nobody is limited. */
  callLimits?: CallLimitRow[];
  /** Absent: everybody may call everything. */
  fraudPolicies?: FraudPolicyRow[];
  /** Users of accounts. */
  clients?: Client[];
  deviceLimits?: DeviceLimitRow[];
  smppGateways?: SmppGateway[];
  httpMessageGateways?: HttpMessageGateway[];
}
