import t from 'tap';
import type { EslEvent } from './event.js';
import { EventBus } from './event-bus.js';
import { EventSubscription } from './subscription.js';

/** A client that counts what it is offered and what it takes. */
class Client {
  readonly subscription = new EventSubscription();
  offered = 0;
  taken: string[] = [];

  get channels(): ReadonlySet<string> | undefined {
    return this.subscription.channels;
  }

  mayWant(name: string): boolean {
    return this.subscription.wantsName(name);
  }

  offer(event: EslEvent): void {
    this.offered++;
    if (this.subscription.wants(event)) this.taken.push(event.headers.get('Unique-ID') ?? event.name);
  }
}

function busWith(...filters: string[][]): { bus: EventBus; clients: Client[] } {
  const bus = new EventBus('core', '127.0.0.1');
  const clients = filters.map((texts) => {
    const client = new Client();
    client.subscription.add(['ALL']);
    for (const text of texts) client.subscription.addFilter(...(text.split('=') as [string, string]));
    bus.attach(client);
    return client;
  });
  return { bus, clients };
}

t.test('a client with a filter on its channel is not even asked about events of others', (t) => {
  const { bus, clients } = busWith(['Unique-ID=AAA'], ['unique-id=bbb'], []);
  bus.emit('DTMF', [['Unique-ID', 'aaa']], undefined, 'aaa');
  bus.emit('DTMF', [['Unique-ID', 'ccc']], undefined, 'ccc');
  // Who fires it need not name the channel.
  bus.emit('DTMF', [['Unique-ID', 'bbb']]);
  bus.emit('HEARTBEAT', []);
  t.strictSame(
    clients.map(({ offered, taken }) => [offered, taken]),
    [
      [1, ['aaa']],
      [1, ['bbb']],
      [4, ['aaa', 'ccc', 'bbb', 'HEARTBEAT']],
    ],
  );
  t.end();
});

t.test('a client with other filters is asked about all events', (t) => {
  const { bus, clients } = busWith(['Unique-ID=/a+/'], ['Unique-ID=bbb', 'Event-Name=HEARTBEAT'], ['Unique-ID=-bbb']);
  bus.emit('DTMF', [['Unique-ID', 'aaa']], undefined, 'aaa');
  bus.emit('HEARTBEAT', []);
  t.strictSame(
    clients.map(({ taken }) => taken),
    [['aaa'], ['HEARTBEAT'], []],
  );
  t.end();
});

t.test('a client whose filters change is filed anew, one that goes is offered nothing more', (t) => {
  const { bus, clients } = busWith(['Unique-ID=aaa']);
  const client = clients[0]!;
  client.subscription.addFilter('Unique-ID', 'bbb');
  bus.attach(client);
  bus.emit('DTMF', [['Unique-ID', 'bbb']]);
  client.subscription.deleteFilter('all', undefined);
  bus.attach(client);
  bus.emit('DTMF', [['Unique-ID', 'ccc']]);
  bus.detach(client);
  bus.emit('DTMF', [['Unique-ID', 'aaa']]);
  t.strictSame(client.taken, ['bbb', 'ccc']);
  t.notOk(bus.isWanted('DTMF'));
  t.end();
});

t.test('whether an event is wanted is known by its name and its channel', (t) => {
  const { bus } = busWith(['Unique-ID=aaa']);
  t.ok(bus.isWanted('DTMF', 'aaa'));
  t.notOk(bus.isWanted('DTMF', 'bbb'));
  t.ok(bus.isWanted('DTMF'));
  t.end();
});
