import { createRequire } from 'node:module';

/** What this application uses of drachtio-srf. */
interface Srf {
  connect(options: { host: string; port: number; secret: string }): void;
  on(event: 'connect' | 'error', listener: (error?: unknown) => void): void;
  invite(handler: (req: Request, res: Response) => void): void;
  register(handler: (req: Request, res: Response) => void): void;
  createUAS(req: Request, res: Response, options: { localSdp: string }): Promise<unknown>;
}
interface Request {
  calledNumber: string;
}
interface Response {
  send(status: number): void;
}

const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 4000 RTP/AVP 0',
  '',
].join('\r\n');

/** How many requests of scanners have come through. */
let reached = 0;

const make = createRequire(import.meta.url)('drachtio-srf') as new () => Srf;
const srf = new make();
srf.register((_req, res) => {
  reached++;
  res.send(403);
});
srf.invite((req, res) => {
  if (req.calledNumber === 'genuine') {
    // Fails where the caller gave up meanwhile: the callers count that call as failed.
    srf.createUAS(req, res, { localSdp: SDP }).catch(() => {});
    return;
  }
  reached++;
  if (req.calledNumber !== 'silent') res.send(404);
});
srf.on('connect', () => process.send?.({ ready: true }));
srf.on('error', (error) => {
  throw error;
});
srf.connect({ host: '127.0.0.1', port: Number(process.argv[2]), secret: 'cymru' });
process.on('message', () => process.send?.({ reached }));
process.on('disconnect', () => process.exit(0));
