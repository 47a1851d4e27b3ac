import type { Logger } from '@ringwire/common/log/logger.js';
import type { Dialog, IncomingReinvite, ServerTransaction, SipMessage } from '@ringwire/sip';
import type { Channel } from '../channel/channel.js';
import { causeOfReason, causeOfSipStatus, type HangupCause, reasonOf } from '../channel/hangup-causes.js';
import { isTrue } from '../channel/truth.js';
import { infoDigitBody, readInfoDigit } from './info-digits.js';
import type { MediaSession } from './session.js';

/**
 * Joins a channel with its dialog from the answer on: its {@link SignallingSide}, and what the peer asks for. `isDelayed`: the ACK brings the peer's
 * answer to our offer.
 */
export function followDialog(
  channel: Channel,
  dialog: Dialog,
  session: MediaSession,
  isDelayed: boolean,
  logger: Logger,
): void {
  let awaitsAnswer = isDelayed;
  channel.signalling = {
    ring: () => undefined,
    preAnswer: () => false,
    answer: () => undefined,
    end: (cause) => {
      if (dialog.isEnded) return;
      channel.setVariable('sip_hangup_disposition', 'send_bye');
      void dialog.bye(byeHeaders(channel, cause));
    },
    sendInfoDigit: (digit, durationMs) => {
      const content = { contentType: 'application/dtmf-relay', body: infoDigitBody(digit, durationMs) };
      // What the peer answers to it changes nothing.
      if (!dialog.isEnded) void dialog.info(content).catch(() => undefined);
    },
    sendInfo: (contentType, body) => {
      if (dialog.isEnded) return false;
      dialog.info({ contentType, body }).catch(() => undefined);
      return true;
    },
    notify: (event) => {
      if (dialog.isEnded || !/^[\w-]+$/.test(event)) return false;
      // As in FreeSWITCH the event is only sent: the command is answered before the peer may refuse it.
      dialog.request('NOTIFY', undefined, { Event: event, 'Subscription-State': 'active' }).catch(() => undefined);
      return true;
    },
    reoffer: (hold) => {
      if (dialog.isEnded) return;
      const offer = session.makeOffer(hold ? 'sendonly' : 'sendrecv');
      dialog.reinvite(offer).then(
        (response) => session.takeAnswer(response.bodyText),
        (error: unknown) => logger.warn({ err: error, channel: channel.uuid }, 'hold was refused'),
      );
    },
  };
  dialog.on('ack', (ack) => {
    const isRefused = awaitsAnswer && ack.body.length > 0 && !session.takeAnswer(ack.bodyText);
    awaitsAnswer = false;
    // Nothing was agreed before either: there will be no media.
    if (isRefused && !channel.agreement) void channel.hangup('INCOMPATIBLE_DESTINATION');
  });
  dialog.on('reinvite', (reinvite) => {
    awaitsAnswer = takeReinvite(reinvite, session);
    const direction = channel.agreement?.direction;
    if (!awaitsAnswer)
      channel.holding.show(channel.holding.isByUs || direction === 'recvonly' || direction === 'inactive');
  });
  dialog.on('request', (transaction) => {
    if (!takeUpdate(transaction, dialog, session)) return;
    const direction = channel.agreement?.direction;
    channel.holding.show(channel.holding.isByUs || direction === 'recvonly' || direction === 'inactive');
  });
  dialog.on('info', (request) => takeInfo(channel, request));
  dialog.on('ended', ({ by, request, reason = '' }) => {
    if (by === 'remote') void channel.hangup(takeBye(channel, request));
    // A refusal that ends a dialog begins with its status (481, 408); without one nothing came at all.
    if (by === 'lost') void channel.hangup(causeOfSipStatus(Number.parseInt(reason, 10) || 408).name);
  });
}

/** Answers an UPDATE (RFC 3311): a new offer, or only a new address of the signalling; false when it is something else or refused. */
function takeUpdate(transaction: ServerTransaction, dialog: Dialog, session: MediaSession): boolean {
  const { request } = transaction;
  if (request.method !== 'UPDATE' || request.bodyText.trim() === '') {
    transaction.reply(200);
    return false;
  }
  const result = session.takeOffer(request.bodyText);
  if (!result.ok) {
    transaction.reply(result.error.code === 'sdp/syntax' ? 400 : 488);
    return false;
  }
  dialog.remoteSdp = request.bodyText;
  dialog.localSdp = result.sdp;
  const response = transaction.makeResponse(200);
  response.add('Contact', dialog.state.contact);
  response.setBody(result.sdp, 'application/sdp');
  transaction.respond(response);
  return true;
}

/** Answers a re-INVITE; true when our answer was an offer, so that the ACK brings theirs. */
function takeReinvite(reinvite: IncomingReinvite, session: MediaSession): boolean {
  if (reinvite.sdp.trim() === '') {
    reinvite.accept(session.makeOffer());
    return true;
  }
  const result = session.takeOffer(reinvite.sdp);
  if (result.ok) reinvite.accept(result.sdp);
  else reinvite.reject(result.error.code === 'sdp/syntax' ? 400 : 488);
  return false;
}

/** What the peer's BYE tells goes to variables, as in FreeSWITCH; returns the number of the cause. */
function takeBye(channel: Channel, bye: SipMessage | undefined): string {
  const reason = bye?.get('Reason');
  const cause = causeOfReason(reason) ?? causeOfSipStatus(200);
  channel.setVariable('sip_reason', reason);
  channel.bridgedTo?.setVariable('sip_reason', reason);
  channel.setVariable('sip_term_status', '200');
  channel.setVariable('proto_specific_hangup_cause', 'sip:200');
  channel.setVariable('sip_term_cause', String(cause.code));
  channel.setVariable('sip_hangup_disposition', 'recv_bye');
  for (const { name, value } of bye?.headers ?? []) {
    if (/^X-/i.test(name)) channel.setVariable(`${BYE_HEADER_PREFIX}${name}`, value);
  }
  return String(cause.code);
}

/** Channel variables with this prefix are headers of our BYE, and headers of the peer's BYE become such. */
const BYE_HEADER_PREFIX = 'sip_bye_h_';

/** A Reason unless `disable_q850_reason` is true, `sip_reason` in its place when it is set, and the headers of the client. */
function byeHeaders(channel: Channel, cause: HangupCause): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of channel.variables(BYE_HEADER_PREFIX)) {
    if (/^[XP]-[\w-]+$/i.test(name) && !/[\r\n]/.test(value)) headers[name] = value;
  }
  if (isTrue(channel.getVariable('disable_q850_reason'))) return headers;
  const wanted = channel.getVariable('sip_reason');
  headers.Reason = wanted && !/[\r\n]/.test(wanted) ? wanted : reasonOf(cause);
  return headers;
}

/** A digit in signalling, as old equipment sends it. */
function takeInfo(channel: Channel, request: SipMessage): void {
  const heard = readInfoDigit(request.get('Content-Type') ?? '', request.bodyText);
  if (heard) channel.digits.receive(heard.digit, heard.durationMs, [], 'ENDPOINT');
}
