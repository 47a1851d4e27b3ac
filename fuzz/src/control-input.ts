import { mutate } from './mutate.js';
import type { Random } from './random.js';

const COMMANDS = [
  '1|authenticate|cymru|a,b',
  '2|ping',
  '3|route|invite',
  '4|remove_route|invite',
  '5|sip|$|\r\nSIP/2.0 200 OK\r\nContact: <sip:a@b>\r\n\r\n',
  '6|sip|$|\r\nSIP/2.0 183 Session Progress\r\nRequire: 100rel\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n',
  '7|sip||$\r\nBYE sip:placeholder SIP/2.0\r\n\r\n',
  '8|sip||$\r\nINVITE sip:placeholder SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n',
  '9|sip||\r\nINVITE sip:x@127.0.0.1:9 SIP/2.0\r\nTo: <sip:x@h>\r\nFrom: <sip:y@h>;tag=1\r\nCall-ID: fuzz\r\n\r\n',
  '10|sip|||sip:127.0.0.1:9;transport=tcp\r\nMESSAGE sip:x@[::1] SIP/2.0\r\nContent-Type: text/plain\r\n\r\nhello',
  '11|sip|$|\r\nCANCEL sip:x@127.0.0.1 SIP/2.0\r\n\r\n',
  '12|sip||$\r\nACK sip:placeholder SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n',
  '13|proxy|$|remainInDialog|fullResponse|followRedirects|simultaneous|2s|4s|1|sip:x@127.0.0.1:9\r\nX: y\r\n\r\n',
].map((text) => Buffer.from(text));

/** A command of a broken application: names what exists (`ids`), is mutated, and its frame says a wrong length now and then. */
export function controlInput(random: Random, ids: readonly string[]): Buffer {
  const text = random
    .pick(COMMANDS)
    .toString('latin1')
    .replace('$', ids.length > 0 ? random.pick(ids) : 'none');
  const bytes = mutate(Buffer.from(text, 'latin1'), random, COMMANDS, random.below(5));
  if (random.below(50) === 0) return bytes;
  const length = random.below(40) === 0 ? random.below(100_000) : bytes.length;
  return Buffer.concat([Buffer.from(`${length}#`), bytes]);
}
