import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ServerCounters } from '../server-counters.js';
import { ClientRegistry } from './client-registry.js';
import { ControlClient } from './control-client.js';

/** The release of drachtio-server whose protocol this is; clients switch features by it. */
export const PROTOCOL_VERSION = 'v0.9.10';

/** What the SIP side does with commands. */
export interface ControlHandler {
  /** `msgId|sip|transactionId|dialogId|route\r\n<message>` of an authenticated client. */
  sip(client: ControlClient, messageId: string, parts: readonly string[], message: string): void;
  /** `msgId|proxy|transactionId|…\r\n<message>`: see `proxy/command.ts`. */
  proxy(client: ControlClient, messageId: string, parts: readonly string[], message: string): void;
  /** The connection of an authenticated client is gone. */
  lost(client: ControlClient): void;
}

/** Our SIP addresses as applications are told them: `udp/127.0.0.1:5070,…`. */
export interface SipAddresses {
  /** As peers outside the local nets reach us. */
  external: string;
  local: string;
}

/** What the protocol is spoken with. */
export interface ProtocolOptions {
  secret: string;
  counters: ServerCounters;
  handler: ControlHandler;
  addresses: SipAddresses;
  /** Sees the SIP messages that are handed to applications. */
  onSip?: ((client: ControlClient, message: string) => void) | undefined;
  /** How long a wrong secret waits for its answer, in ms. */
  refuseAfterMs: number;
}

/** What becomes of a connection. */
export interface ConnectionEvents {
  /** It authenticated for the first time; its answer is sent. */
  admitted(client: ControlClient): void;
  /** It brought a wrong secret. */
  refused(): void;
  closed(): void;
}

/** drachtio's control protocol on any connection: authentication, routes, ping; `sip` and `proxy` go to the handler. */
export class ControlProtocol {
  readonly registry = new ClientRegistry();
  private readonly secretHash: Buffer;

  constructor(private readonly options: ProtocolOptions) {
    this.secretHash = hash(options.secret);
  }

  /**
   * Speaks with an application until its connection closes.
   * @param authenticateWithinMs it is closed unless it has authenticated by then
   */
  attach(socket: Socket, authenticateWithinMs: number, events: ConnectionEvents): void {
    const client = new ControlClient(socket, this.options.counters);
    const { onSip } = this.options;
    if (onSip) client.onSip = (message) => onSip(client, message);
    let timer = setTimeout(() => client.destroy(), authenticateWithinMs);
    const admit = (): void => {
      clearTimeout(timer);
      events.admitted(client);
    };
    const refuse = (messageId: string): void => {
      clearTimeout(timer);
      events.refused();
      client.ignore();
      timer = setTimeout(() => {
        client.reply(messageId, 'NO', 'incorrect secret');
        client.end();
      }, this.options.refuseAfterMs);
    };
    socket.on('data', (chunk) => client.receive(chunk, (frame) => this.receive(client, frame, admit, refuse)));
    // 'close' follows and does what there is to do.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      client.destroy();
      if (client.authenticated) {
        this.registry.remove(client);
        this.options.handler.lost(client);
      }
      events.closed();
    });
  }

  private receive(client: ControlClient, frame: string, admit: () => void, refuse: (messageId: string) => void): void {
    const lineEnd = frame.indexOf('\r\n');
    const line = lineEnd < 0 ? frame : frame.slice(0, lineEnd);
    const parts = line.split('|');
    const [messageId = '', command = ''] = parts;
    if (command === 'authenticate') {
      if (!timingSafeEqual(hash(parts[2] ?? ''), this.secretHash)) {
        this.options.counters.authenticationFailures++;
        refuse(messageId);
      } else this.admit(client, messageId, parts[3] ?? '', admit);
    } else if (!client.authenticated) {
      this.options.counters.unauthenticatedCommands++;
      client.reply(messageId, 'NO', 'not authenticated');
      client.end();
    } else this.command(client, messageId, command, parts, lineEnd < 0 ? '' : frame.slice(lineEnd + 2));
  }

  private admit(client: ControlClient, messageId: string, tags: string, admit: () => void): void {
    const isNew = !client.authenticated;
    client.admit(tags.split(',').filter((tag) => tag !== ''));
    this.registry.add(client);
    const { external, local } = this.options.addresses;
    client.reply(messageId, 'OK', `${external}|${PROTOCOL_VERSION}|${local}`);
    if (isNew) admit();
  }

  private command(client: ControlClient, messageId: string, command: string, parts: string[], message: string): void {
    const { counters, handler } = this.options;
    switch (command) {
      case 'sip':
        handler.sip(client, messageId, parts.slice(2), message);
        break;
      case 'ping':
        client.reply(messageId, 'OK', 'pong');
        break;
      case 'route':
        if (parts[2]) {
          this.registry.route(client, parts[2]);
          client.reply(messageId, 'OK');
        } else client.reply(messageId, 'NO', 'route: no method');
        break;
      case 'remove_route':
        this.registry.unroute(client);
        client.reply(messageId, 'OK');
        break;
      case 'proxy':
        handler.proxy(client, messageId, parts.slice(2), message);
        break;
      default:
        counters.unknownCommands++;
        client.reply(messageId, 'NO', parts.length < 2 ? 'Invalid message format' : 'Unknown message type');
        client.end();
    }
  }
}

/** Equal lengths for the constant-time comparison. */
function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
