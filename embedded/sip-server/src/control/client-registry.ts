import type { ControlClient } from './control-client.js';

/** The authenticated clients and who takes which method, in turn. */
export class ClientRegistry {
  private readonly clients = new Set<ControlClient>();
  /** In the order in which it is their turn. */
  private readonly byMethod = new Map<string, ControlClient[]>();

  get size(): number {
    return this.clients.size;
  }

  get all(): Iterable<ControlClient> {
    return this.clients;
  }

  add(client: ControlClient): void {
    this.clients.add(client);
  }

  /** Registers a client for a method (any case). A second time changes nothing. */
  route(client: ControlClient, method: string): void {
    const key = method.toUpperCase();
    if (client.routes.has(key)) return;
    client.routes.add(key);
    const list = this.byMethod.get(key);
    if (list) list.push(client);
    else this.byMethod.set(key, [client]);
  }

  /** Drops all routes of a client, as the real server does whatever method is named. */
  unroute(client: ControlClient): void {
    for (const key of client.routes) {
      const rest = (this.byMethod.get(key) ?? []).filter((other) => other !== client);
      if (rest.length > 0) this.byMethod.set(key, rest);
      else this.byMethod.delete(key);
    }
    client.routes.clear();
  }

  remove(client: ControlClient): void {
    this.unroute(client);
    this.clients.delete(client);
  }

  /** Whether anybody takes a method, or the records of that name (`cdr:start`). */
  has(method: string): boolean {
    return this.byMethod.has(method.toUpperCase());
  }

  /**
   * The client whose turn it is for a method, of those that carry the tag when one is asked for; undefined without any.
   * It goes to the end of the line: each tag's clients share alike, whatever the others are given.
   */
  select(method: string, tag?: string): ControlClient | undefined {
    const line = this.byMethod.get(method.toUpperCase());
    const place = line?.findIndex((client) => tag === undefined || client.tags.has(tag)) ?? -1;
    if (!line || place < 0) return undefined;
    const [client] = line.splice(place, 1);
    if (client) line.push(client);
    return client;
  }
}
