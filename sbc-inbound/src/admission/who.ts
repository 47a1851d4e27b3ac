import type { Account, CarrierGateway } from '@ringwire/common';
import { isIpv4 } from '@ringwire/common/sip/uri.js';
import { type Caller, type Invite, refuse, type Snapshot, type StepResult } from './types.js';

/** Whether a carrier may bring calls to an account: its own ones, and those that its service provider shares. */
function serves({ carrier }: CarrierGateway, account: Account): boolean {
  return carrier.accountSid === null
    ? carrier.serviceProviderSid === account.serviceProviderSid
    : carrier.accountSid === account.accountSid;
}

/**
 * Step 2, who: the carriers whose gateways contain the source address. A request to an account's SIP realm only counts as a call
 * of carriers that serve this account.
 */
export function identifyCaller(invite: Invite, snapshot: Snapshot): StepResult<Caller> {
  const { host } = invite.target;
  const realmAccount = host && !isIpv4(host) ? (snapshot.findAccountByRealm(host) ?? null) : null;
  const known = snapshot.findInboundGateways(invite.sourceAddress);
  const gateways = realmAccount ? known.filter((entry) => serves(entry, realmAccount)) : known;
  const first = gateways[0];
  if (!first) {
    const device = realmAccount !== null;
    return refuse({
      status: 403,
      reason: device ? 'calls of devices are not accepted' : 'Forbidden',
      cause: `no active inbound gateway of a carrier contains ${invite.sourceAddress}${realmAccount ? ` for account ${realmAccount.name}` : ''}`,
      metric: device ? 'device' : 'unknown-source',
      recorded: false,
    });
  }
  const { gateway, carrier } = first;
  const names = [...new Set(gateways.map((entry) => entry.carrier.name))];
  return {
    ok: true,
    value: { gateways, realmAccount },
    decision: {
      kind: 'routing',
      text: `from carrier ${names.join(' or ')}: ${invite.sourceAddress} is in gateway ${gateway.address}/${gateway.netmask}`,
      data: {
        voipCarrierSid: carrier.voipCarrierSid,
        sipGatewaySid: gateway.sipGatewaySid,
        candidates: gateways.length,
      },
    },
  };
}
