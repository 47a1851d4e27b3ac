/** The part of drachtio-fsmrf 4.1.2 that is used here; the package has no types of its own. */
declare module 'drachtio-fsmrf' {
  import type { EventEmitter } from 'node:events';
  import type { Server, Socket } from 'node:net';
  import type { SipDialog } from '@ringwire/common/sip/stack.js';

  namespace Mrf {
    interface ConnectOptions {
      address: string;
      port: number;
      secret: string;
      listenAddress: string;
      listenPort: number;
    }
    interface PlaybackFacts {
      playbackSeconds?: string;
      playbackMilliseconds?: string;
      playbackLastOffsetPos?: string;
    }
    /** An event socket that the media server has opened for one channel (drachtio-modesl); its events' names have wildcards. */
    interface ChannelConnection {
      on(event: 'esl::event::CUSTOM::*', listener: (event: never) => void): this;
      on(event: `esl::event::CHANNEL_BRIDGE::${string}`, listener: () => void): this;
      off(event: 'esl::event::CUSTOM::*', listener: (event: never) => void): this;
      off(event: `esl::event::CHANNEL_BRIDGE::${string}`, listener: () => void): this;
      /** Adds to the events that come. */
      subscribe(events: string): void;
      filter(header: string, value: string): void;
      filterDelete(header: string, value: string): void;
    }
    interface Endpoint extends EventEmitter {
      readonly uuid: string;
      readonly connected: boolean;
      /** Null when it is gone. */
      readonly conn: ChannelConnection | null;
      readonly local: { sdp: string };
      /** The dialog with the media server. */
      readonly dialog: SipDialog;
      play(files: string[]): Promise<PlaybackFacts>;
      set(variable: string, value: string): Promise<unknown>;
      api(command: string, args: string | string[]): Promise<unknown>;
      execute(application: string, argument: string): Promise<unknown>;
      addCustomEventListener(subclass: string, listener: (body: never, event: never) => void): void;
      removeCustomEventListener(subclass: string, listener: (body: never, event: never) => void): void;
      bridge(otherUuid: string): Promise<void>;
      destroy(): Promise<void>;
      on(event: 'dtmf', listener: (event: { dtmf: string; duration?: string }) => void): this;
      on(event: 'destroy', listener: (event?: { reason?: string }) => void): this;
    }
    interface MediaServer extends EventEmitter {
      /** The event socket (drachtio-modesl). */
      readonly conn: { socket?: Socket | null; reconnectVars?: { retryTimer?: NodeJS.Timeout | null } };
      /** drachtio-modesl's listener for the media server's connections back; no public name leads to it. */
      readonly _server?: { server: Server };
      createEndpoint(options: { remoteSdp?: string; headers?: Record<string, string> }): Promise<Endpoint>;
      disconnect(): void;
      on(event: 'end' | 'error', listener: (error?: Error) => void): this;
    }
  }

  class Mrf {
    /** `customEvents`: subclasses that every endpoint subscribes to. */
    constructor(srf: object, options?: { customEvents?: string[] });
    /** Calls back again for each failed attempt of the event socket, which goes on trying by itself. */
    connect(options: Mrf.ConnectOptions, callback: (error: Error | null, mediaServer?: Mrf.MediaServer) => void): void;
  }

  export = Mrf;
}
