/** The part of the package `smpp` (0.5) that is used. It has no types of its own. */
declare module 'smpp' {
  import type { EventEmitter } from 'node:events';
  import type { Server as NetServer, Socket } from 'node:net';

  /** Fields and TLVs of a PDU, by SMPP's names. */
  export interface PduFields {
    command_status?: number;
    [field: string]: unknown;
  }

  export class PDU {
    readonly command: string;
    readonly command_id: number;
    readonly command_status: number;
    readonly sequence_number: number;
    readonly [field: string]: unknown;
    isResponse(): boolean;
    response(fields?: PduFields): PDU;
    static maxLength: number;
    constructor(command: string, fields?: PduFields & { sequence_number?: number });
  }

  type Send = (fields: PduFields, onResponse?: (response: PDU) => void) => boolean;

  export class Session extends EventEmitter {
    constructor(options: { socket: Socket });
    readonly socket: Socket;
    /** Length of the PDU that is being read; null or false between PDUs. */
    readonly _command_length: number | false | null;
    /** False when the socket takes no more; nothing is sent then. */
    send(pdu: PDU, onResponse?: (response: PDU) => void): boolean;
    bind_transceiver: Send;
    bind_receiver: Send;
    submit_sm: Send;
    deliver_sm: Send;
    enquire_link: Send;
    unbind: Send;
    pause(): void;
    resume(): void;
    close(): void;
    destroy(): void;
  }

  export interface Server extends NetServer {
    readonly sessions: Session[];
  }
  export function createServer(tls: { key?: string; cert?: string }, onSession: (session: Session) => void): Server;

  interface FieldDefinition {
    filter?: unknown;
  }
  export const commands: Record<string, { params?: Record<string, FieldDefinition> }>;
  export const tlvs: Record<string, FieldDefinition>;

  const smpp: {
    Session: typeof Session;
    PDU: typeof PDU;
    createServer: typeof createServer;
    commands: typeof commands;
    tlvs: typeof tlvs;
  };
  export default smpp;
}
