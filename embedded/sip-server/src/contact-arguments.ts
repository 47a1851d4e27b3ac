import { isIP } from 'node:net';
import { isTransportName, type ListenOptions, parseNetwork, parseUri, type TransportName } from '@ringwire/sip';
import { ArgumentError } from './errors.js';

/** A `--contact` with the flags that follow it and speak of it. */
interface ContactArguments {
  uri: string | undefined;
  externalIp: string | undefined;
  localNets: string[];
}

/** Options in the order in which they stand on the command line. */
export type OptionList = ReadonlyArray<{ name: string; value: string | undefined }>;

/**
 * The listening points: each `--contact` with the `--external-ip` and `--local-net` up to the next one, as
 * drachtio-server reads them. @throws ArgumentError
 */
export function readContacts(options: OptionList): ListenOptions[] {
  const contacts: ContactArguments[] = [{ uri: undefined, externalIp: undefined, localNets: [] }];
  for (const { name, value = '' } of options) {
    let contact = contacts.at(-1)!;
    if (name === 'contact') {
      if (contact.uri !== undefined) {
        contact = { uri: undefined, externalIp: undefined, localNets: [] };
        contacts.push(contact);
      }
      contact.uri = value;
    } else if (name === 'external-ip') contact.externalIp = readExternal(value);
    else if (name === 'local-net') contact.localNets.push(...value.split(',').map(readNetwork));
  }
  return contacts.flatMap(readContact);
}

/** `sip:127.0.0.1:5070;transport=udp,tcp` as listeners; without transport udp and tcp, for `sips` tls. */
function readContact({ uri: text = 'sip:127.0.0.1:5060', externalIp, localNets }: ContactArguments): ListenOptions[] {
  const uri = parseUri(text);
  if ((uri?.scheme !== 'sip' && uri?.scheme !== 'sips') || uri.host === '') {
    throw new ArgumentError(`--contact: not a sip URI: ${text}`);
  }
  const secure = uri.scheme === 'sips';
  const transports = (uri.params.get('transport') || (secure ? 'tls' : 'udp,tcp')).toLowerCase().split(',');
  const host = uri.host === '*' ? '0.0.0.0' : uri.host.replace(/^\[|\]$/g, '');
  if (isIP(host) === 0) throw new ArgumentError(`--contact: an address of this machine or * expected: ${text}`);
  return transports.map((transport) => ({
    transport: checkTransport(transport, secure),
    host,
    port: uri.port ?? (transport === 'tls' ? 5061 : 5060),
    ...(externalIp === undefined ? {} : { externalHost: externalIp }),
    ...(localNets.length === 0 ? {} : { localNets }),
  }));
}

function checkTransport(transport: string, secure: boolean): TransportName {
  if (!isTransportName(transport) || (secure && transport !== 'tls' && transport !== 'wss')) {
    const known = secure ? 'tls, wss' : 'udp, tcp, tls, ws, wss';
    throw new ArgumentError(`--contact: transport ${transport} is not supported (${known})`);
  }
  return transport;
}

/** An address, or a name that peers can look up. */
function readExternal(text: string): string {
  const host = text.replace(/^\[|\]$/g, '');
  if (isIP(host) === 0 && !/^[A-Za-z0-9.-]+$/.test(host)) {
    throw new ArgumentError(`--external-ip: an IP address or a host name expected: ${text}`);
  }
  return host;
}

function readNetwork(text: string): string {
  if (!parseNetwork(text.trim())) throw new ArgumentError(`--local-net: a network like 10.0.0.0/8 expected: ${text}`);
  return text.trim();
}
