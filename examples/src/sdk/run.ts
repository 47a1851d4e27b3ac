/** Runs one of the applications written with jambonz' SDK: `npm run sdk -w examples -- ivr 3100`. */
import { startEcho } from './echo.js';
import { startFindMe } from './find-me.js';
import { startHotline } from './hotline.js';
import { startIvr } from './ivr.js';
import type { ListenOptions, RunningExample } from './serve.js';
import { startSocketMenu } from './socket-menu.js';
import { startVoicemail } from './voicemail.js';

const [name = '', port = '0', ...rest] = process.argv.slice(2);

const EXAMPLES: Readonly<Record<string, (options: ListenOptions) => Promise<RunningExample>>> = {
  ivr: (options) => startIvr(options, (callSid, status) => console.log(`${callSid}: ${status}`)),
  'socket-menu': startSocketMenu,
  'find-me': (options) => startFindMe(rest, options, (leg) => console.log(leg.direction, leg.call_status)),
  hotline: (options) => startHotline({ callers: rest[0] ?? '1', agents: rest[1] ?? '2' }, options),
  echo: startEcho,
  voicemail: (options) => startVoicemail(options, (callSid, words) => console.log(`${callSid}: "${words}"`)),
};

const start = EXAMPLES[name];
if (!start || !/^\d{1,5}$/.test(port)) {
  process.stderr.write(`usage: run <${Object.keys(EXAMPLES).join('|')}> [port] [SIP URIs, or numbers]\n`);
  process.exit(2);
}
const running = await start({ port: Number(port) });
console.log(`call_hook: ${running.callHook}\ncall_status_hook: ${running.callStatusHook}`);
