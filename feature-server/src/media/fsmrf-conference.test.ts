import { EventEmitter } from 'node:events';
import type Mrf from 'drachtio-fsmrf';
import t from 'tap';
import { Channel } from '../testing/fakes.js';
import type { SeatOptions } from './conference.js';
import { EventSocketChannel } from './event-socket-channel.js';
import { FsmrfConference } from './fsmrf-conference.js';

/** A media server that does what it is told, and says nothing of it but what the test has it say. */
class SilentEndpoint extends EventEmitter {
  readonly uuid = 'channel-1';
  readonly commands = new Channel<string>();
  /** What it does while it is told to execute something. */
  onExecute = (): void => {};
  readonly execute = (): Promise<never> => {
    this.onExecute();
    return new Promise(() => {});
  };
  readonly set = async (): Promise<void> => {};
  readonly addCustomEventListener = this.on;
  readonly removeCustomEventListener = this.off;

  async api(command: string, args: string[]) {
    this.commands.post([command, ...args].join(' '));
    return { getBody: () => '+OK' };
  }

  tell(headers: Record<string, string>): void {
    const event = { getHeader: (name: string) => headers[name], getBody: () => '' };
    this.emit('conference::maintenance', '', { ...event });
  }
}

const SEAT: SeatOptions = { room: 'room', isMuted: false, isDeaf: false, isModerator: false, sharesKeys: false };

function makeConference() {
  const endpoint = new SilentEndpoint();
  const channel = new EventSocketChannel(endpoint as unknown as Mrf.Endpoint, new AbortController().signal);
  return { endpoint, conference: new FsmrfConference(channel, 20) };
}

const added = { 'Conference-Name': 'room', Action: 'add-member', 'Member-ID': '7' };

t.test('a seat that comes after joining was given up is left at once', async (t) => {
  const { endpoint, conference } = makeConference();
  await t.rejects(conference.join(SEAT), { message: /did not open the room in time/ });
  endpoint.tell(added);
  t.equal(await endpoint.commands.take(), 'conference room hup 7');
  endpoint.tell({ ...added, Action: 'del-member' });
  t.equal(endpoint.listenerCount('conference::maintenance'), 0, 'nothing listens any more');
});

t.test('who leaves waits for the word of that no longer than seconds', async (t) => {
  const { endpoint, conference } = makeConference();
  // Within the joining itself, so that no deadline can come before it.
  endpoint.onExecute = () => endpoint.tell(added);
  const seat = await conference.join(SEAT);
  await seat.leave();
  t.equal(await endpoint.commands.take(), 'conference room hup 7');
  await seat.left;
});
