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
  for (let line = 0; line < request.lineCount; line++) {
    switch (request.keyAt(line)) {
      case 'to': {
        const value = request.valueAt(line);
        const isUntagged = status > 100 && toTag !== undefined && tagOf(value) === undefined;
        response.add('To', isUntagged ? `${value};tag=${toTag}` : value);
        break;
      }
      case 'record-route':
        if (makesDialog) response.copyLine(request, line);
        break;
      case 'via':
      case 'from':
      case 'call-id':
      case 'cseq':
        response.copyLine(request, line);
        break;
      case 'timestamp':
        if (status === 100) response.copyLine(request, line);
        break;
    }
  }
  return response;
}
