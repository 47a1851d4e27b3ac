import { createHash } from 'node:crypto';
import type { ProvisioningSnapshot, SipGateway, VoipCarrier } from '@ringwire/common';
import type { DigestCredentials } from '@ringwire/common/sip/digest-client.js';
import { isHostPort } from '@ringwire/common/sip/host-port.js';
import { bracketed, credentialsOf, escapedUser, hostPort, proxyOf, transportOf } from '../gateway-uri.js';

/** A gateway with its carrier, for which we register. */
export interface TrunkMember {
  carrier: VoipCarrier;
  gateway: SipGateway;
}

/** A registration that ought to be. */
export interface WantedRegistration {
  /** Digest of all that it depends on: another key is another registration. */
  key: string;
  /** Digest of what names the binding at the registrar: two registrations with the same one take each other's place. */
  binding: string;
  /** The gateways that it serves, more than one where several carriers name the same registrar and credentials. */
  members: TrunkMember[];
  /** Next hop, for people. */
  registrar: string;
  /** Request-URI. */
  uri: string;
  proxy?: string;
  /** Address of record: From and To. */
  aor: string;
  /** `localhost` in it becomes the address of our SIP server. */
  contact: string;
  credentials: DigestCredentials;
}

/** A gateway that cannot be registered at, and why. */
export interface UnusableTrunk extends TrunkMember {
  why: string;
}

/** A line end would begin a header of its own. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f]/;
const digest = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url');

/** Active carriers that require a registration, with their active outbound gateways; each registration once. Pure. */
export function wantedRegistrations(snapshot: ProvisioningSnapshot): {
  wanted: Map<string, WantedRegistration>;
  unusable: UnusableTrunk[];
} {
  const wanted = new Map<string, WantedRegistration>();
  const unusable: UnusableTrunk[] = [];
  for (const carrier of snapshot.carriersBySid.values()) {
    if (!carrier.isActive || !carrier.requiresRegister) continue;
    for (const gateway of snapshot.gatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? []) {
      if (!gateway.isActive || !gateway.outbound) continue;
      const made = registrationOf({ carrier, gateway }, snapshot);
      if (typeof made === 'string') {
        unusable.push({ carrier, gateway, why: made });
        continue;
      }
      const known = wanted.get(made.key);
      if (known) known.members.push(...made.members);
      else wanted.set(made.key, made);
    }
  }
  return { wanted, unusable };
}

/** The registration of a carrier at one of its gateways, or why there can be none. */
function registrationOf(member: TrunkMember, snapshot: ProvisioningSnapshot): WantedRegistration | string {
  const { carrier, gateway } = member;
  const credentials = credentialsOf(carrier);
  if (!credentials) return 'register_username or register_password is missing';
  if (CONTROLS.test(credentials.username)) return 'register_username has control characters';
  const realm = carrier.registerSipRealm?.trim() || hostPort(gateway);
  if (!isHostPort(realm)) return 'register_sip_realm is no host name';
  const domain = carrier.registerFromDomain?.trim() || realm;
  if (!isHostPort(domain)) return 'register_from_domain is no host name';
  const proxy = proxyOf(carrier, gateway);
  if (proxy === null) return 'outbound_sip_proxy is no SIP URI';
  const transport = transportOf(gateway);
  const isSips = transport === 'tls' && gateway.useSipsScheme;
  const scheme = isSips ? 'sips' : 'sip';
  const parameter = isSips || transport === 'udp' ? '' : `;transport=${transport}`;
  const uri = `${scheme}:${realm}${proxy === undefined ? parameter : ''}`;
  const aor = `${scheme}:${escapedUser(carrier.registerFromUser || credentials.username)}@${domain}`;
  const contact = contactOf(carrier, snapshot, { scheme, parameter });
  const binding = digest([uri, proxy, aor, contact]);
  return {
    key: digest([binding, credentials.username, credentials.password]),
    binding,
    members: [member],
    registrar: proxy ?? uri,
    uri,
    ...(proxy === undefined ? {} : { proxy }),
    aor,
    contact,
    credentials,
  };
}

/** Where the carrier shall send calls to us: the account's SIP realm, as in jambonz, else the address of our SIP server. */
function contactOf(
  carrier: VoipCarrier,
  snapshot: ProvisioningSnapshot,
  { scheme, parameter }: { scheme: string; parameter: string },
): string {
  const user = escapedUser(carrier.registerUsername ?? '');
  const realm = snapshot.accountsBySid.get(carrier.accountSid ?? '')?.sipRealm;
  // The SIP server puts its address, and the transport, in the place of localhost.
  if (carrier.registerPublicIpInContact || !realm || !isHostPort(bracketed(realm)))
    return `${scheme}:${user}@localhost`;
  return `${scheme}:${user}@${bracketed(realm)}${parameter}`;
}
