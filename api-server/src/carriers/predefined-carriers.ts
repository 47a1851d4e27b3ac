/** A gateway of a template; columns of `sip_gateways`. */
export interface PredefinedGateway {
  ipv4: string;
  port: number;
  netmask: number;
  inbound: boolean;
  outbound: boolean;
}

/** What is publicly known of a carrier; the names of columns are those of jambonz's `predefined_carriers`. */
export interface PredefinedCarrier {
  predefined_carrier_sid: string;
  name: string;
  /** What its customer has to know. */
  description: string;
  /** Whether it must be told by which addresses we call. */
  requires_static_ip: boolean;
  e164_leading_plus: boolean;
  requires_register: boolean;
  trunk_type: 'static_ip' | 'auth' | 'reg';
  /** How the host looks that each customer has of its own; null: there is none, the gateways are all. */
  outbound_host: string | null;
  sip_gateways: readonly PredefinedGateway[];
}

const calledFrom = (...networks: string[]): PredefinedGateway[] =>
  networks.map((network) => {
    const [ipv4 = '', netmask = '32'] = network.split('/');
    return { ipv4, port: 5060, netmask: Number(netmask), inbound: true, outbound: false };
  });
const calls = (ipv4: string): PredefinedGateway => ({ ipv4, port: 5060, netmask: 32, inbound: false, outbound: true });

/**
 * Carriers that are well known, as their own pages described them in 2026: addresses by which they call and hosts that they are called at. Carriers change
 * these; what a customer is told by its carrier comes first.
 */
export const PREDEFINED_CARRIERS: readonly PredefinedCarrier[] = [
  {
    // www.twilio.com/docs/sip-trunking/ip-addresses
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0001',
    name: 'Twilio',
    description:
      'Elastic SIP Trunking. outbound_host is the termination URI of the trunk; our addresses go onto its access list.',
    requires_static_ip: true,
    e164_leading_plus: true,
    requires_register: false,
    trunk_type: 'static_ip',
    outbound_host: '{trunk}.pstn.twilio.com',
    sip_gateways: calledFrom(
      ...['54.172.60.0/30', '54.244.51.0/30', '54.171.127.192/30', '35.156.191.128/30'],
      ...['54.65.63.192/30', '54.169.127.128/30', '54.252.254.64/30', '177.71.206.192/30'],
    ),
  },
  {
    // sip.telnyx.com
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0002',
    name: 'Telnyx (US)',
    description: 'SIP connection in the US region, authenticated by address.',
    requires_static_ip: true,
    e164_leading_plus: true,
    requires_register: false,
    trunk_type: 'static_ip',
    outbound_host: null,
    sip_gateways: [...calledFrom('192.76.120.10', '64.16.250.10'), calls('sip.telnyx.com')],
  },
  {
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0003',
    name: 'Telnyx (Europe)',
    description: 'SIP connection in the European region, authenticated by address.',
    requires_static_ip: true,
    e164_leading_plus: true,
    requires_register: false,
    trunk_type: 'static_ip',
    outbound_host: null,
    sip_gateways: [...calledFrom('185.246.41.140', '185.246.41.141'), calls('sip.telnyx.eu')],
  },
  {
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0004',
    name: 'Telnyx (Australia)',
    description: 'SIP connection in the Australian region, authenticated by address.',
    requires_static_ip: true,
    e164_leading_plus: true,
    requires_register: false,
    trunk_type: 'static_ip',
    outbound_host: null,
    sip_gateways: [...calledFrom('103.115.244.145', '103.115.244.146'), calls('sip.telnyx.com.au')],
  },
  {
    // developer.vonage.com/en/sip/technical-details
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0005',
    name: 'Vonage',
    description:
      'SIP trunk. outbound_host is its domain in one of the regions us, eu, ap; our addresses go onto its access list.',
    requires_static_ip: true,
    e164_leading_plus: true,
    requires_register: false,
    trunk_type: 'static_ip',
    outbound_host: '{trunk}.sip-{region}.vonage.com',
    sip_gateways: calledFrom(
      ...['216.147.0.1', '216.147.0.2', '216.147.1.1', '216.147.1.2', '216.147.2.1', '216.147.2.2'],
      ...['216.147.3.1', '216.147.3.2', '216.147.4.1', '216.147.4.2', '216.147.5.1', '216.147.5.2'],
    ),
  },
  {
    // developer.signalwire.com/voice/sip
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0006',
    name: 'SignalWire',
    description:
      'SIP endpoint that registers. outbound_host and register_sip_realm are the domain of the space, register_username and register_password those of the endpoint.',
    requires_static_ip: false,
    e164_leading_plus: true,
    requires_register: true,
    trunk_type: 'reg',
    outbound_host: '{space}.sip.signalwire.com',
    sip_gateways: [],
  },
  {
    // doc.didww.com/voice/inbound-trunks/sip-trunks/sip-connectivity-reference.html
    predefined_carrier_sid: '6f1c2a54-0d0b-4a5e-9a56-1d1f7c7a0007',
    name: 'DIDWW (calls in)',
    description: 'Inbound trunk to a static endpoint. Calls out are another product, with a host of its own.',
    requires_static_ip: true,
    e164_leading_plus: false,
    requires_register: false,
    trunk_type: 'static_ip',
    outbound_host: null,
    sip_gateways: calledFrom(
      ...['46.19.209.14', '46.19.210.14', '46.19.212.14', '46.19.213.14'],
      ...['46.19.214.14', '46.19.215.14', '185.238.173.14'],
    ),
  },
];
