import type { ControlClient } from './control-client.js';

/** The authenticated clients and who takes which method, in turn. */
export class ClientRegistry {
  private readonly clients = new Set<ControlClient>();
  private readonly byMethod = new Map<string, ControlClient[]>();
  private readonly turns = new Map<string, number>();

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

  /** The next client in turn for a method, of those that carry the tag when one is asked for; undefined without any. */
  select(method: string, tag?: string): ControlClient | undefined {
    const key = method.toUpperCase();
    const routed = this.byMethod.get(key);
    if (!routed) return undefined;
    const list = tag === undefined ? routed : routed.filter((client) => client.tags.has(tag));
    if (list.length === 0) return undefined;
    const turnKey = tag === undefined ? key : `${key}|${tag}`;
    const turn = (this.turns.get(turnKey) ?? 0) % list.length;
    this.turns.set(turnKey, turn + 1);
    return list[turn];
  }
}
