/** Rows of the provisioning tables as the call path wants them: camelCase, typed, hooks attached, secrets decrypted. */

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
  outboundSipProxy: string | null;
}

/** An address of a carrier: where its calls come from, or where calls to it go. */
export interface SipGateway {
  sipGatewaySid: string;
  voipCarrierSid: string;
  /** IPv4 address, or for outbound a host name. */
  address: string;
  /** Length of the network prefix, 1–32. */
  netmask: number;
  /** Null: the transport's default. */
  port: number | null;
  inbound: boolean;
  outbound: boolean;
  isActive: boolean;
  protocol: 'udp' | 'tcp' | 'tls' | 'tls/srtp';
  sendOptionsPing: boolean;
  useSipsScheme: boolean;
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

/** All that the call path needs to know, as it was at one moment. */
export interface ProvisioningRows {
  serviceProviders: ServiceProvider[];
  accounts: Account[];
  applications: Application[];
  webhooks: Webhook[];
  voipCarriers: VoipCarrier[];
  sipGateways: SipGateway[];
  phoneNumbers: PhoneNumber[];
}
