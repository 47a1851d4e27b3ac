import { parseOutboundTarget } from './control/outbound-connections.js';
import { ArgumentError } from './errors.js';

/** A request-handler as the command line names it. */
export interface HandlerSettings {
  url: string;
  method: 'GET' | 'POST';
  /** SIP methods that are asked about, upper case; `*` for those that no other handler names. */
  sipMethods: string[];
}

/** The flags as given. */
export interface HandlerFlags {
  'http-handler'?: string[] | undefined;
  'http-method'?: string | undefined;
  'http-handler-methods'?: string | undefined;
}

/**
 * Reads the request-handlers: `--http-handler URL`, or `--http-handler INVITE,REGISTER=URL` for some methods only, as
 * drachtio's configuration file has `sip-method`. @throws ArgumentError
 */
export function readHandlers(flags: HandlerFlags): HandlerSettings[] {
  const method = (flags['http-method'] ?? 'GET').toUpperCase();
  if (method !== 'GET' && method !== 'POST') throw new ArgumentError('--http-method: GET or POST expected');
  return (flags['http-handler'] ?? []).map((text) => {
    const { 1: methods = flags['http-handler-methods'] ?? '*', 2: url = '' } =
      /^(?:([A-Za-z*,]+)=)?(.+)$/s.exec(text) ?? [];
    if (!isHandlerUrl(url)) {
      throw new ArgumentError('--http-handler: an http or https URL, tcp://host:port or tls://host:port expected');
    }
    return { url, method, sipMethods: methods.toUpperCase().split(',') };
  });
}

function isHandlerUrl(url: string): boolean {
  const direct = /^(?:tcp|tls):\/\/(.+)$/.exec(url)?.[1];
  if (direct !== undefined) return /^[^;]+$/.test(direct) && parseOutboundTarget(direct) !== undefined;
  return URL.canParse(url) && /^https?:/.test(url);
}
