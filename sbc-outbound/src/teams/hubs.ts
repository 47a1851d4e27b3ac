import { ConfigError, parseHostPort } from '@ringwire/common';

/** Where Teams takes calls: host and port of one of its SIP proxies. */
export interface TeamsHub {
  host: string;
  port: number;
}

/** SIP over TLS (RFC 3261 §19.1.2). */
const TLS_PORT = 5061;

/** Reads `TEAMS_HUBS`, in the order in which they are tried. @throws ConfigError */
export function parseHubs(list: string): TeamsHub[] {
  const hubs = list.split(',').map((text) => {
    const hub = text.trim();
    if (/^[A-Za-z0-9.-]+$/.test(hub)) return { host: hub, port: TLS_PORT };
    return parseHostPort(hub);
  });
  if (hubs.every((hub) => hub !== undefined)) return hubs;
  const expected =
    'host names, each with an optional port, as `sip.pstnhub.microsoft.com,sip2.pstnhub.microsoft.com:5061`';
  throw new ConfigError([{ variable: 'TEAMS_HUBS', value: JSON.stringify(list), expected }]);
}

/** A URI at a hub; Teams speaks TLS only. */
export const hubUri = ({ host, port }: TeamsHub, user?: string): string =>
  `sip:${user === undefined ? '' : `${user}@`}${host.includes(':') ? `[${host}]` : host}:${port};transport=tls`;
