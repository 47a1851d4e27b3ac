import type { AddressOfRecord, KeptBinding } from '../registrations/binding.js';
import { aorText, byDevice } from '../registrations/binding.js';
import { deviceRoute } from '../registrations/device-route.js';
import type { Registrations } from '../registrations/registrations.js';
import type { Edge } from './edge.js';
import { NoResponseError } from './errors.js';
import { sendOutside } from './out-of-dialog.js';
import type { SipHeaders } from './stack.js';

/** What sending to devices needs of an edge. */
export interface DeviceMessaging {
  edge: Pick<Edge, 'sipAddress' | 'edges' | 'bridging'>;
  registrations: Pick<Registrations, 'bindingsOf'>;
}

/**
 * What became of a message to a user.
 * - `taken`: one device at least has it
 * - `absent`: no device is registered, or none can be reached; nobody has it
 * - `refused`: every device that answered did not want it; `status` is the one that says most
 * - `unanswered`: nobody took it, and one device at least has left it without answer: it may have it
 */
export type DeviceOutcome = { kind: 'taken' | 'absent' | 'unanswered' } | { kind: 'refused'; status: number };

/** A device has less time than the sender waits (timer F, 32 s). */
const DEADLINE_MS = 15_000;

/** Whether a device's status means something to the sender: a challenge and a redirection are between the device and us. */
const saysWhy = (status: number): boolean => status >= 400 && ![401, 407, 408, 480, 503].includes(status);

/**
 * Sends a MESSAGE (RFC 3428) to all devices of a user, wherever they are registered: the first that takes it is enough. To a device with several connections
 * over the newest, and over the next one where that is gone.
 *
 * @param headers - without To, Route and Content-Length
 * @throws RegistrationsAwayError
 */
export async function messageDevices(
  { edge, registrations }: DeviceMessaging,
  aor: AddressOfRecord,
  { headers, body }: { headers: SipHeaders; body: string },
): Promise<DeviceOutcome> {
  const all = await registrations.bindingsOf(aor);
  // Nobody else has the connections of a dead edge.
  const isAlive = (address: string): boolean =>
    address === edge.sipAddress || edge.edges.list().some(({ privateSipAddress }) => privateSipAddress === address);
  const devices = byDevice(all.filter(({ binding }) => isAlive(binding.edge)));
  const sendOver = async (kept: KeptBinding): Promise<number | 'unanswered' | 'unsent'> => {
    const route = deviceRoute(kept, edge.sipAddress);
    try {
      const sent = await sendOutside(
        edge.bridging.link,
        {
          ...{ method: 'MESSAGE', uri: route.uri, proxy: route.proxy },
          headers: { ...headers, To: `<sip:${aorText(aor)}>`, ...route.headers },
          ...(body === '' ? {} : { body }),
        },
        { deadlineMs: DEADLINE_MS },
      );
      return sent.response.status === 408 ? 'unanswered' : sent.response.status;
    } catch (error) {
      return error instanceof NoResponseError ? 'unanswered' : 'unsent';
    }
  };
  const sendTo = async (flows: readonly KeptBinding[]): Promise<number | 'unanswered'> => {
    for (const kept of flows) {
      const answer = await sendOver(kept);
      if (answer !== 'unsent' && answer !== 430 && answer !== 503) return answer;
    }
    // The device cannot be reached now.
    return 480;
  };
  const answers: (number | 'unanswered')[] = [];
  const isTaken = await new Promise<boolean>((resolve) => {
    if (devices.length === 0) resolve(false);
    for (const flows of devices) {
      void sendTo(flows).then((answer) => {
        answers.push(answer);
        if (typeof answer === 'number' && answer < 300) resolve(true);
        else if (answers.length === devices.length) resolve(false);
      });
    }
  });
  if (isTaken) return { kind: 'taken' };
  if (answers.includes('unanswered')) return { kind: 'unanswered' };
  const status = answers.find((answer): answer is number => typeof answer === 'number' && saysWhy(answer));
  return status === undefined ? { kind: 'absent' } : { kind: 'refused', status };
}
