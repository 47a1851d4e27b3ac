import type { Account, CarrierGateway, VoipCarrier } from '@ringwire/common';
import { isFromBrowser } from '@ringwire/common/sip/flow-transport.js';
import { type Ipv4Network, inNetworks } from '@ringwire/common/sip/networks.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { isIpv4 } from '@ringwire/common/sip/uri.js';
import { authenticateUser, type UserContext } from '../users/authenticate-user.js';
import { authenticateTrunk } from './authenticate.js';
import type { TemporaryGateways } from './temporary-gateways.js';
import { tellApart } from './trunk-marks.js';
import { type Caller, type CarrierCaller, type Invite, refuse, type Snapshot, type StepResult } from './types.js';

/** Where Microsoft Teams calls from. */
export interface TeamsSources {
  networks: readonly Ipv4Network[];
  /** Whether only TLS proves it: anybody can write any address into a datagram. */
  requireTls: boolean;
}

/** What finding out who calls looks at. */
export interface WhoContext extends Omit<UserContext, 'snapshot'> {
  snapshot: Snapshot;
  temporary: TemporaryGateways;
  teams: TeamsSources;
}

/** Whether a carrier may bring calls to an account: its own ones, and those that its service provider shares. */
function serves(carrier: VoipCarrier, account: Account): boolean {
  return carrier.accountSid === null
    ? carrier.serviceProviderSid === account.serviceProviderSid
    : carrier.accountSid === account.accountSid;
}

/** Carriers at an address, and how they came to be there. */
interface Located {
  carriers: VoipCarrier[];
  gateway: CarrierGateway['gateway'] | null;
}

/** The carriers whose gateways contain the source, else those that we are registered at there. Null when that cannot be told. */
async function locate(
  invite: Invite,
  realmAccount: Account | null,
  { snapshot, temporary }: WhoContext,
): Promise<Located | null> {
  const mayCall = (carrier: VoipCarrier): boolean => realmAccount === null || serves(carrier, realmAccount);
  const entries = snapshot.findInboundGateways(invite.sourceAddress).filter(({ carrier }) => mayCall(carrier));
  if (entries[0]) return { carriers: [...new Set(entries.map(({ carrier }) => carrier))], gateway: entries[0].gateway };
  if (!snapshot.hasRegistrationTrunks) return { carriers: [], gateway: null };
  const sids = await temporary.carriersAt(invite.sourceAddress);
  if (sids === null) return null;
  const carriers = sids.flatMap((sid) => snapshot.carriersBySid.get(sid) ?? []);
  return { carriers: carriers.filter((carrier) => carrier.isActive && mayCall(carrier)), gateway: null };
}

/**
 * Step 2, who: the carriers whose gateways contain the source address, or at whose address we are registered; of several those whose
 * mark the request carries; and carriers that authenticate and users of the account, from anywhere, when they prove it. A request to an
 * account's SIP realm only counts as a call of carriers that serve this account.
 */
export async function identifyCaller(
  invite: Invite,
  request: SipRequest,
  context: WhoContext,
): Promise<StepResult<Caller>> {
  const { snapshot, digest } = context;
  const { host } = invite.target;
  const realmAccount = host && !isIpv4(host) ? (snapshot.findAccountByRealm(host) ?? null) : null;
  const mayProve = realmAccount !== null && (snapshot.hasUsers(realmAccount) || snapshot.hasAuthTrunks(realmAccount));
  // No carrier speaks WebSocket, whatever is called: a browser at the address of a gateway is a user, or nobody.
  const isBrowser = isFromBrowser(request);
  const found = isBrowser ? NOWHERE : await locate(invite, realmAccount, context);
  // Who can prove who he is needs no address.
  const located = found ?? (mayProve ? NOWHERE : null);
  if (located === null) {
    // Not 403: the carrier's next attempt, here or at another edge, may know.
    return refuse({
      status: 503,
      reason: 'caller cannot be identified now',
      cause: 'redis does not tell which carriers we are registered at',
      metric: 'unidentified',
      recorded: false,
      headers: { 'Retry-After': '5' },
    });
  }
  const carriers = tellApart(located.carriers, request, located.gateway === null);
  if (located.carriers.length > 0 && carriers.length === 0) {
    return refuse({
      status: 403,
      reason: 'Forbidden',
      cause: `${invite.sourceAddress} belongs to ${namesOf(located.carriers)}, but the INVITE has no trunk group or header of theirs`,
      metric: 'unknown-trunk',
      recorded: false,
    });
  }
  // An address is no proof for a carrier that has been given a password.
  const open = carriers.filter(({ trunkType }) => trunkType !== 'auth');
  if (open.length > 0) return identified(invite, realmAccount, open, located.gateway);
  if (carriers.length > 0) {
    const result = await authenticateTrunk(request, host, digest, (username) =>
      snapshot.findAuthTrunks(username).filter((carrier) => carriers.includes(carrier)),
    );
    return result.ok ? proven(realmAccount, result.carriers, result.username) : result;
  }
  if (!isBrowser && isTeams(invite, request, context.teams)) return teamsTenant(invite, snapshot);
  if (realmAccount === null || !mayProve) return stranger(invite, realmAccount);
  const result = await authenticateUser(
    request,
    {
      account: realmAccount,
      realm: host,
      source: { address: invite.sourceAddress, port: Number(request.source_port) },
      asked: null,
      trunksOf: (username) => snapshot.findAuthTrunks(username).filter((carrier) => serves(carrier, realmAccount)),
    },
    context,
  );
  if (!result.ok) return { ok: false, rejection: { recorded: false, account: realmAccount, ...result.refusal } };
  if ('user' in result) return { ok: true, value: { user: result.user } };
  return proven(realmAccount, result.trunks, result.username);
}

/** No carrier is at the address. */
const NOWHERE: Located = { carriers: [], gateway: null };

function proven(realmAccount: Account | null, carriers: VoipCarrier[], username: string): StepResult<CarrierCaller> {
  return {
    ok: true,
    value: { carriers, realmAccount },
    decision: {
      kind: 'routing',
      text: `from carrier ${namesOf(carriers)}: it has proven to be ${username}`,
      data: { voipCarrierSid: carriers[0]?.voipCarrierSid, username },
    },
  };
}

const namesOf = (carriers: readonly VoipCarrier[]): string =>
  [...new Set(carriers.map(({ name }) => name))].join(' or ');

function identified(
  { sourceAddress }: Invite,
  realmAccount: Account | null,
  carriers: VoipCarrier[],
  gateway: Located['gateway'],
): StepResult<Caller> {
  const why = gateway ? `is in gateway ${gateway.address}/${gateway.netmask}` : 'is where we are registered';
  return {
    ok: true,
    value: { carriers, realmAccount },
    decision: {
      kind: 'routing',
      text: `from carrier ${namesOf(carriers)}: ${sourceAddress} ${why}`,
      data: {
        voipCarrierSid: carriers[0]?.voipCarrierSid,
        sipGatewaySid: gateway?.sipGatewaySid ?? null,
        candidates: carriers.length,
      },
    },
  };
}

const isTeams = (
  { sourceAddress }: Invite,
  { protocol }: SipRequest,
  { networks, requireTls }: TeamsSources,
): boolean => (protocol.toLowerCase() === 'tls' || !requireTls) && inNetworks(networks, sourceAddress);

/** Microsoft Teams names the tenant by the domain that it calls us by. */
function teamsTenant({ target, sourceAddress }: Invite, snapshot: Snapshot): StepResult<Caller> {
  const tenant = snapshot.teamsTenantByFqdn(target.host);
  if (!tenant) {
    return refuse({
      status: 404,
      reason: `no Microsoft Teams tenant ${target.host}`,
      metric: 'unknown-tenant',
      recorded: false,
    });
  }
  const { tenantFqdn, msTeamsTenantSid } = tenant;
  return {
    ok: true,
    value: { tenant },
    decision: {
      kind: 'routing',
      text: `from Microsoft Teams (${sourceAddress}): tenant ${tenantFqdn}`,
      data: { msTeamsTenantSid, tenantFqdn },
    },
  };
}

/** Nobody that we know; also somebody who calls the realm of an account that has no users. */
function stranger({ sourceAddress }: Invite, realmAccount: Account | null): StepResult<Caller> {
  const device = realmAccount !== null;
  return refuse({
    status: 403,
    reason: device ? 'the realm has no users' : 'Forbidden',
    cause: `no active inbound gateway of a carrier contains ${sourceAddress}${realmAccount ? ` for account ${realmAccount.name}` : ''}`,
    metric: device ? 'device' : 'unknown-source',
    recorded: false,
  });
}
