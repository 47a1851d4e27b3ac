import t from 'tap';
import {
  HookConnectionError,
  HookForbiddenError,
  HookStatusError,
  HookTimeoutError,
  InvalidApplicationError,
  MediaServerError,
} from '../errors.js';
import { callerReason } from './caller-reason.js';

t.test('what a carrier reads of a failure has no addresses', async (t) => {
  const address = 'connect ECONNREFUSED 10.0.0.1:3000';
  t.equal(callerReason(new HookConnectionError(address)), 'webhook could not be reached');
  const refused = new HookConnectionError(address, { code: 'ECONNREFUSED' });
  t.equal(callerReason(refused), 'webhook could not be reached (ECONNREFUSED)');
  const handshake = new HookConnectionError('…', { trouble: 'Server sent no subprotocol' });
  t.equal(callerReason(handshake), 'webhook could not be reached (Server sent no subprotocol)');
  t.equal(callerReason(new HookForbiddenError('private address 10.0.0.1')), 'webhook could not be reached');
  t.equal(callerReason(new HookTimeoutError('no answer within 10000 ms')), 'webhook timed out');
  t.equal(callerReason(new HookStatusError(500, { where: 'POST http://10.0.0.1' })), 'webhook answered 500');
  t.equal(callerReason(new MediaServerError(address)), 'media server not available');
  t.equal(callerReason(new Error(address)), 'internal error');
  t.equal(callerReason(new InvalidApplicationError('answer holds no verbs')), 'answer holds no verbs');
});
