import type { InstanceDescription } from './instance.js';

const BOLD = '\u001b[1m';
const RESET = '\u001b[0m';

/** What to try with a running platform, for the terminal. */
export function whatNext(instance: InstanceDescription, colour: boolean): string {
  const title = (text: string): string => (colour ? `${BOLD}${text}${RESET}` : text);
  const { api, accountSid, sip, webrtc, numbers, users, logs, sipUri } = instance;
  const dial = numbers.map(
    ({ number, application, description }) =>
      `  sip:${number}@${sip.host}:${sip.port}   ${application}: ${description}`,
  );
  return [
    '',
    title('What to try next'),
    `Call it again and press another key:`,
    `  npm run call -- ${/^sip:([^@]+)@/.exec(sipUri)?.[1]} --dtmf 2 --dtmf-after 6000`,
    'Dial from a SIP phone on this machine (UDP or TCP, no registration):',
    ...dial,
    ...(users.some(({ softphone }) => softphone !== undefined)
      ? ['Call it from a browser on this machine, and one another from two windows:']
      : []),
    ...users.flatMap(({ softphone }) => (softphone === undefined ? [] : [`  ${softphone}`])),
    ...(users.length === 0 ? [] : [`Register a SIP phone (proxy ${sip.host}:${sip.port}, docs/users.md) as:`]),
    ...users.map(({ uri, password }) => `  ${uri}   password ${password}`),
    ...(webrtc === undefined
      ? []
      : ['Register with a page of your own (docs/webrtc.md):', `  ${webrtc.ws}   ${webrtc.wss}`]),
    'See the last calls:',
    `  curl -s -H 'Authorization: Bearer ${api.key}' '${api.url}/v1/Accounts/${accountSid}/RecentCalls?page=1&count=10'`,
    'Change what the menu says, then Ctrl-C and npm start:',
    '  examples/src/menu.ts',
    'Attach an application of your own: README.md, "Attach your own application"',
    `Logs of every process: ${logs}`,
    '',
    'Ctrl-C stops everything.',
  ].join('\n');
}
