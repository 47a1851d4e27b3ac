import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

/**
 * The application of the benchmark, a process of its own: `node app.js <control port> <secret>`. Answers every INVITE with
 * 200 by an unmodified drachtio-srf. Tells its parent when it is connected.
 */
interface App extends EventEmitter {
  connect(options: { host: string; port: number; secret: string }): void;
  invite(handler: (req: object, res: object) => void): void;
  createUAS(req: object, res: object, options: { localSdp: string }): Promise<EventEmitter>;
}

const ANSWER = [
  'v=0',
  'o=app 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 20000 RTP/AVP 0 101',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  '',
].join('\r\n');

const [port = '', secret = ''] = process.argv.slice(2);
const Srf = createRequire(import.meta.url)('drachtio-srf') as new () => App;
const srf = new Srf();
srf.invite((req, res) => {
  // Fails where the caller gave up meanwhile or the ACK was lost: sipp counts that call as failed.
  srf.createUAS(req, res, { localSdp: ANSWER }).catch(() => {});
});
srf.on('connect', () => process.send?.({ type: 'ready' }));
srf.on('error', () => {});
srf.connect({ host: '127.0.0.1', port: Number(port), secret });
process.on('disconnect', () => process.exit(0));
