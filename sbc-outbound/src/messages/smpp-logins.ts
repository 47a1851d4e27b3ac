import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { ProvisioningSnapshot, SmppGateway, VoipCarrier } from '@ringwire/common';

/** What a client says of itself, and where it comes from. */
export interface SmppBindRequest {
  systemId: string;
  password: string;
  /** IPv4 or IPv6. */
  address: string;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** Whether a client may come from an address: with gateways that are `inbound` and addresses, only from these. */
function mayComeFrom(gateways: readonly SmppGateway[], address: string): boolean {
  const networks = gateways.filter(({ inbound, address: text }) => inbound && isIP(text) !== 0);
  if (networks.length === 0) return true;
  const list = new BlockList();
  for (const { address: text, netmask = 32 } of networks) {
    const family = isIP(text) === 4 ? 'ipv4' : 'ipv6';
    // 32 is what the column says where nobody said anything: one address.
    const bits = family === 'ipv4' ? Math.min(netmask, 32) : netmask === 32 ? 128 : netmask;
    list.addSubnet(text, bits, family);
  }
  return isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/**
 * The carrier that binds to us with a login; undefined when there is none, or no single one. Every carrier of that name is compared, so that time
 * tells nothing.
 */
export function findSmppClient(
  snapshot: ProvisioningSnapshot,
  { systemId, password, address }: SmppBindRequest,
): VoipCarrier | undefined {
  if (systemId === '' || password === '') return undefined;
  const found = [...snapshot.carriersBySid.values()].filter((carrier) => {
    const login = carrier.smppInbound;
    if (!carrier.isActive || !login || login.systemId !== systemId) return false;
    const isRight = isSame(login.password, password);
    return isRight && mayComeFrom(snapshot.smppGatewaysByCarrierSid.get(carrier.voipCarrierSid) ?? [], address);
  });
  const [carrier] = found;
  if (found.length !== 1 || carrier === undefined) return undefined;
  const account = carrier.accountSid === null ? undefined : snapshot.accountsBySid.get(carrier.accountSid);
  return account?.isActive === false ? undefined : carrier;
}
