/** Rows of carriers and gateways for tests and measurements of routing, in memory. */
import { DEFAULT_OUTBOUND_RULES, type SipGateway, type VoipCarrier } from '../provisioning/rows.js';

/** A carrier of account `acc` of service provider `sp`; its sid is its name too, after `name of`. */
export const carrier = (voipCarrierSid: string, more: Partial<VoipCarrier> = {}): VoipCarrier => ({
  voipCarrierSid,
  name: `name of ${voipCarrierSid}`,
  accountSid: 'acc',
  serviceProviderSid: 'sp',
  applicationSid: null,
  isActive: true,
  e164LeadingPlus: false,
  techPrefix: null,
  diversion: null,
  trunkType: 'static_ip',
  dtmfType: 'rfc2833',
  inboundAuthUsername: null,
  inboundAuthPassword: null,
  requiresRegister: false,
  registerUsername: null,
  registerPassword: null,
  registerSipRealm: null,
  registerFromUser: null,
  registerFromDomain: null,
  outboundSipProxy: null,
  outboundRules: DEFAULT_OUTBOUND_RULES,
  ...more,
});

/** An outbound gateway of a carrier, with sid `address/carrier`. */
export const gateway = (address: string, voipCarrierSid: string, more: Partial<SipGateway> = {}): SipGateway => ({
  sipGatewaySid: `${address}/${voipCarrierSid}`,
  voipCarrierSid,
  address,
  netmask: 32,
  port: null,
  inbound: false,
  outbound: true,
  isActive: true,
  protocol: 'udp',
  sendOptionsPing: false,
  useSipsScheme: false,
  priority: 0,
  weight: 1,
  padCrypto: false,
  removeIce: false,
  dtlsOff: false,
  ...more,
});
