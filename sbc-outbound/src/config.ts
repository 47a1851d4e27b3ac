import { type ConfigOf, flag, integer, optionalText, privateAddresses, text } from '@ringwire/common';
import { edgeVars } from '@ringwire/common/sip/edge-config.js';

/** How patient we are with gateways. */
export const gatewayVars = {
  GATEWAY_RESPONSE_MS: integer({
    default: 10_000,
    min: 100,
    doc: 'how long a gateway may leave an INVITE without a response (100 Trying is none) before the next is tried',
  }),
  SIP_ALLOW_PRIVATE: flag({
    default: false,
    doc: "whether calls to SIP URIs (and by way of X-SIP-Proxy), and to names of accounts' own gateways, may go to private and loopback addresses",
  }),
  GATEWAY_MAX_ATTEMPTS: integer({ default: 10, min: 1, max: 100, doc: 'gateways that are tried for one call' }),
};

/** How trunks are watched and registered. */
export const trunkVars = {
  OPTIONS_PING_INTERVAL_MS: integer({
    default: 60_000,
    min: 100,
    doc: 'how often each edge sends OPTIONS to gateways with send_options_ping',
  }),
  OPTIONS_PING_TIMEOUT_MS: integer({ default: 5_000, min: 100, doc: 'how long a gateway may take to answer OPTIONS' }),
  REGISTER_EXPIRES_SEC: integer({
    default: 3_600,
    min: 1,
    max: 86_400,
    doc: 'for how long carriers are asked to register us; they may grant less',
  }),
  REGISTER_TIMEOUT_MS: integer({ default: 10_000, min: 100, doc: 'how long a carrier may take to answer REGISTER' }),
  REGISTER_RETRY_MS: integer({
    default: 5_000,
    min: 10,
    doc: 'when a REGISTER is tried again that was not answered; twice as late each time, at most 60 times. Refused ones: 12 to 360 times',
  }),
  TRUNK_LEASE_MS: integer({
    default: 5_000,
    min: 100,
    doc: 'after how long without a word from the process that registers trunks another one takes over',
  }),
};

/** How trunks are watched and registered. */
export type TrunkConfig = ConfigOf<typeof trunkVars>;

/** How text messages are sent. */
export const messageVars = {
  MESSAGE_RETRY_MINUTES: integer({
    default: 60,
    min: 1,
    max: 2_880,
    doc: 'how long a carrier is looked for that accepts a text message; then it has failed',
  }),
  MESSAGE_ALLOW_PRIVATE: privateAddresses({
    default: false,
    doc: "which private addresses HTTP gateways of carriers, and SMPP gateways of accounts' own carriers, may have: none, those of the machine itself, or all",
  }),
  MESSAGE_CA_FILE: optionalText({
    doc: 'PEM file of authorities for the TLS of carriers with messaging, beside those of the web',
  }),
  SMPP_HOST: text({ default: '0.0.0.0', doc: 'address on which carriers and clients may bind to us over SMPP' }),
  SMPP_PORT: integer({ default: 0, min: 0, max: 65_535, doc: 'port of our SMPP server (2775 is usual); 0: none' }),
  SMPP_TLS_PORT: integer({ default: 0, min: 0, max: 65_535, doc: 'the same with TLS (3550 is usual); 0: none' }),
  SMPP_TLS_CERT_FILE: optionalText({ doc: 'PEM file of its certificate' }),
  SMPP_TLS_KEY_FILE: optionalText({ doc: 'PEM file of its key' }),
  API_BASE_URL: optionalText({ doc: 'public URL of the API: base of the URLs that vendors report deliveries to' }),
};

/** How Microsoft Teams is reached (direct routing). */
export const teamsVars = {
  TEAMS_HUBS: text({
    default: 'sip.pstnhub.microsoft.com,sip2.pstnhub.microsoft.com,sip3.pstnhub.microsoft.com',
    doc: 'SIP proxies of Microsoft Teams in the order of trying, each a host with an optional port (5061); TLS',
  }),
  TEAMS_PING_INTERVAL_MS: integer({
    default: 60_000,
    min: 100,
    doc: 'how often each tenant sends OPTIONS to each hub',
  }),
};

/** What sbc-outbound reads from its environment. */
export const outboundVars = { ...edgeVars, ...gatewayVars, ...trunkVars, ...messageVars, ...teamsVars };

/** How gateways are tried. */
export type GatewayConfig = ConfigOf<typeof gatewayVars>;

/** How messages are sent. */
export type MessageConfig = ConfigOf<typeof messageVars>;
/** How Microsoft Teams is reached. */
export type TeamsConfig = ConfigOf<typeof teamsVars>;
