import type { SubmitResult } from '@ringwire/common';

/** Statuses that are told apart (SMPP 3.4 §5.1.3). */
export const SMPP_STATUS = {
  ok: 0x00,
  invalidCommand: 0x03,
  invalidBindStatus: 0x04,
  alreadyBound: 0x05,
  systemError: 0x08,
  bindFailed: 0x0d,
  invalidPassword: 0x0e,
  invalidSystemId: 0x0f,
  queueFull: 0x14,
  submitFailed: 0x45,
  throttled: 0x58,
  /** Ours to answer: not now. */
  temporaryError: 0x64,
  /** Ours to answer: not ever. */
  permanentError: 0x65,
} as const;

const NAMES: Readonly<Record<number, string>> = {
  1: 'ESME_RINVMSGLEN',
  2: 'ESME_RINVCMDLEN',
  3: 'ESME_RINVCMDID',
  4: 'ESME_RINVBNDSTS',
  5: 'ESME_RALYBND',
  8: 'ESME_RSYSERR',
  10: 'ESME_RINVSRCADR',
  11: 'ESME_RINVDSTADR',
  13: 'ESME_RBINDFAIL',
  14: 'ESME_RINVPASWD',
  15: 'ESME_RINVSYSID',
  20: 'ESME_RMSGQFUL',
  69: 'ESME_RSUBMITFAIL',
  80: 'ESME_RINVDSTTON',
  81: 'ESME_RINVDSTNPI',
  88: 'ESME_RTHROTTLED',
};
/** The receiver's address is wrong, whoever is asked. */
const INVALID_RECEIVER = new Set([0x0b, 0x50, 0x51]);
/** The carrier has no room now. */
const BUSY: ReadonlySet<number> = new Set([SMPP_STATUS.systemError, SMPP_STATUS.queueFull, SMPP_STATUS.throttled]);
const LOGIN: ReadonlySet<number> = new Set([
  SMPP_STATUS.bindFailed,
  SMPP_STATUS.invalidPassword,
  SMPP_STATUS.invalidSystemId,
]);

/** A status for people: its name where it is well known, and its number. */
export const describeStatus = (status: number): string =>
  `${NAMES[status] ?? 'SMPP status'} 0x${status.toString(16).padStart(8, '0')}`;

/** Whether a bind was refused because of who we are, not of the moment. */
export const isLoginRefusal = (status: number): boolean => LOGIN.has(status);

/** Whether the carrier asks for a pause. */
export const asksForPause = (status: number): boolean =>
  status === SMPP_STATUS.throttled || status === SMPP_STATUS.queueFull;

/** What the answer to a `submit_sm` means. */
export function readSubmitStatus(status: number, messageId: unknown): SubmitResult {
  if (status === SMPP_STATUS.ok) {
    return {
      kind: 'accepted',
      carrierMessageIds: typeof messageId === 'string' && messageId !== '' ? [messageId] : [],
    };
  }
  const detail = describeStatus(status);
  if (BUSY.has(status)) return { kind: 'busy', detail };
  return { kind: INVALID_RECEIVER.has(status) ? 'invalid' : 'refused', detail };
}
