import { tagOf } from './address.js';
import { SipMessage } from './message.js';
import { reasonPhrase } from './reasons.js';

/**
 * A response to a request (RFC 3261 §8.2.6): Via lines, From, To, Call-ID and CSeq copied; Record-Route too for statuses
 * that make a dialog. `toTag` is added to To unless To has a tag or the status is 100.
 */
export function createResponse(request: SipMessage, status: number, reason?: string, toTag?: string): SipMessage {
  const response = SipMessage.response(status, reason ?? reasonPhrase(status));
  const makesDialog = status > 100 && status < 300;
  for (const header of request.headers) {
    switch (header.key) {
      case 'to':
        response.add(
          'To',
          status > 100 && toTag !== undefined && tagOf(header.value) === undefined
            ? `${header.value};tag=${toTag}`
            : header.value,
        );
        break;
      case 'record-route':
        if (makesDialog) response.add(header.name, header.value);
        break;
      case 'via':
      case 'from':
      case 'call-id':
      case 'cseq':
        response.add(header.name, header.value);
        break;
      case 'timestamp':
        if (status === 100) response.add(header.name, header.value);
        break;
    }
  }
  return response;
}
