import { isIP } from 'node:net';
import { maskText } from '@ringwire/common';
import type { AddressGuard } from '../app-client/address-guard.js';
import { HookForbiddenError } from '../errors.js';

const SOCKET_OF: Readonly<Record<string, string>> = { 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' };

/** Where an audio fork goes. */
export interface AudioServerAddress {
  /** `ws://` or `wss://`, without credentials and fragment. */
  url: string;
  /** Credentials that stood in the URL. */
  auth?: { username: string; password: string };
  /** Where its name led when it was judged; missing where it was not looked up. */
  addresses?: readonly string[];
}

/**
 * The address of the WebSocket server that an application names for a call's audio: `ws`, `wss`, `http` or `https`, or relative to the
 * application's own URL.
 * @throws HookForbiddenError for what is no such URL, and, where private addresses are not allowed, for those (after DNS) and for names without any address
 */
export async function audioServerAddress(url: string, base: string, guard: AddressGuard): Promise<AudioServerAddress> {
  const trimmed = url.trim();
  const shown = maskText(trimmed);
  if (!URL.canParse(trimmed, base || undefined))
    throw new HookForbiddenError(`"${shown}" is not a URL`, { url: shown });
  const absolute = new URL(trimmed, base || undefined);
  const protocol = SOCKET_OF[absolute.protocol];
  if (protocol === undefined)
    throw new HookForbiddenError(`audio goes to ws, wss, http or https, not to ${absolute.protocol}`, { url: shown });
  const { username, password } = absolute;
  absolute.protocol = protocol;
  absolute.hash = '';
  absolute.username = '';
  absolute.password = '';
  const addresses = await guard.checkResolved(absolute);
  // Left to the media server, a name could lead anywhere by the time it has an address.
  const isName = isIP(absolute.hostname.replace(/^\[|\]$/g, '')) === 0;
  if (isName && addresses.length === 0 && !guard.allowsAll)
    throw new HookForbiddenError(`the name ${absolute.hostname} has no address`, { url: shown });
  return {
    url: absolute.href,
    ...(addresses.length > 0 && { addresses }),
    ...(username !== '' && { auth: { username: decoded(username), password: decoded(password) } }),
  };
}

/** Credentials in a URL are percent-encoded; a `%` that encodes nothing stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
