import { parseNameAddr, parseUri, type SipMessage, type SipUri } from '@ringwire/sip';
import type { Channel } from '../channel/channel.js';

/** Sets the variables of a call that comes in, from its INVITE and the port that it came from. */
export function setSipVariables(channel: Channel, request: SipMessage, sourcePort: number): void {
  const userAgent = request.get('User-Agent') ?? '';
  const [from, to, contact] = ['From', 'To', 'Contact'].map((name) => uriOf(request, name));
  const variables: Record<string, string | undefined> = {
    direction: 'inbound',
    uuid: channel.uuid,
    channel_name: channel.name,
    sip_user_agent: userAgent,
    sip_call_id: request.get('Call-ID'),
    sip_network_ip: channel.profile.networkAddress,
    sip_from_user: channel.profile.callerNumber,
    sip_to_user: channel.profile.destination,
    call_uuid: channel.uuid,
    sip_from_tag: /;\s*tag=([^;\s]+)/i.exec(request.get('From') ?? '')?.[1],
    sip_cseq: request.get('CSeq')?.split(' ')[0],
    sip_full_via: request.get('Via'),
    sip_full_from: request.get('From'),
    sip_full_to: request.get('To'),
    sip_contact_uri: parseNameAddr(request.get('Contact') ?? '')?.uri.replace(/^sips?:/, ''),
    sip_received_ip: channel.profile.networkAddress,
    sip_received_port: String(sourcePort),
    sip_network_port: String(sourcePort),
    sip_from_host: from?.host,
    sip_to_host: to?.host,
    sip_contact_user: contact?.user,
    sip_contact_host: contact?.host,
    sip_contact_port: portOf(contact),
    sip_from_port: portOf(from),
    sip_to_port: portOf(to),
    max_forwards: request.get('Max-Forwards'),
    sip_req_uri: request.uri.replace(/^sips?:/, ''),
    sip_from_uri: parseNameAddr(request.get('From') ?? '')?.uri.replace(/^sips?:/, ''),
    sip_to_uri: parseNameAddr(request.get('To') ?? '')?.uri.replace(/^sips?:/, ''),
    sofia_profile_name: 'drachtio_mrf',
  };
  for (const [name, value] of Object.entries(variables)) channel.setVariable(name, value);
  // What drachtio-fsmrf asks for an endpoint that is to offer SRTP; a dialplan would set the variable.
  if (/^true$/i.test(request.get('X-Secure-RTP')?.trim() ?? '')) channel.setVariable('rtp_secure_media', 'true');
  for (const { name, value } of request.headers) {
    if (/^X-/i.test(name)) channel.setVariable(`sip_h_${name}`, value);
  }
}

function uriOf(request: SipMessage, header: string): SipUri | undefined {
  return parseUri(parseNameAddr(request.get(header) ?? '')?.uri ?? '');
}

function portOf(uri: SipUri | undefined): string | undefined {
  return uri?.port === undefined ? undefined : String(uri.port);
}

/** Sets the variables of a call that we place: before its INVITE, and again from the final response. */
export function setOutgoingVariables(channel: Channel, address: string, response?: SipMessage): void {
  const { callerName, callerNumber, destination } = channel.profile;
  const variables: Record<string, string | undefined> = {
    direction: 'outbound',
    is_outbound: 'true',
    uuid: channel.uuid,
    call_uuid: channel.uuid,
    channel_name: channel.name,
    sip_destination_url: `sip:${address}`,
    sip_req_uri: address,
    sip_from_user: callerNumber,
    sip_from_display: callerName,
    sip_to_user: destination,
    originate_endpoint: 'sofia',
    sofia_profile_name: 'drachtio_mrf',
    sip_profile_name: 'drachtio_mrf',
  };
  if (response) {
    const contact = parseNameAddr(response.get('Contact') ?? '')?.uri.replace(/^sips?:/, '');
    Object.assign(variables, {
      sip_call_id: response.get('Call-ID'),
      sip_cseq: response.get('CSeq')?.split(' ')[0],
      sip_full_via: response.get('Via'),
      sip_full_from: response.get('From'),
      sip_full_to: response.get('To'),
      sip_from_tag: /;\s*tag=([^;\s]+)/i.exec(response.get('From') ?? '')?.[1],
      sip_to_tag: /;\s*tag=([^;\s]+)/i.exec(response.get('To') ?? '')?.[1],
      sip_contact_uri: contact,
      sip_user_agent: response.get('User-Agent') ?? response.get('Server'),
    });
    for (const { name, value } of response.headers) {
      if (/^X-/i.test(name)) channel.setVariable(`sip_rh_${name}`, value);
    }
  }
  for (const [name, value] of Object.entries(variables)) channel.setVariable(name, value);
}
