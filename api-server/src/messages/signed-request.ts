import type { IncomingMessage } from 'node:http';
import type { SignedRequest } from '@ringwire/common';
import { rawBodyOf } from '@ringwire/common/http/server.js';
import { type Ipv4Network, inNetworks } from '@ringwire/common/sip/networks.js';
import type { Request } from 'express';

/** Where this API is reached from outside. */
export interface PublicAddress {
  /** Our own proxies: what they forward says by which name and protocol they were asked. */
  trustedProxies: readonly Ipv4Network[];
  /** `API_BASE_URL`: a name that vendors may have been given. */
  baseUrl: string | undefined;
}

const first = (value: string | undefined): string | undefined => value?.split(',', 1)[0]?.trim() || undefined;

/** The URLs by which a vendor may have asked for what this request asks for. */
function urlsOf(req: Request, { trustedProxies, baseUrl }: PublicAddress): string[] {
  const peer = (req.socket.remoteAddress ?? '').replace(/^::ffff:/i, '');
  const isOurs = inNetworks(trustedProxies, peer);
  const proto = (isOurs && first(req.get('X-Forwarded-Proto'))) || 'http';
  const host = (isOurs && first(req.get('X-Forwarded-Host'))) || req.get('Host');
  const bases = [host === undefined ? undefined : `${proto}://${host}`, baseUrl?.replace(/\/+$/, '')];
  return bases.filter((base) => base !== undefined).map((base) => `${base}${req.originalUrl}`);
}

/** A webhook as its vendor has signed it. */
export const signedRequest = (req: Request, address: PublicAddress): SignedRequest => ({
  urls: urlsOf(req, address),
  header: (name) => req.get(name) ?? '',
  isForm: req.is('application/x-www-form-urlencoded') !== false,
  rawBody: rawBodyOf(req as IncomingMessage),
});
