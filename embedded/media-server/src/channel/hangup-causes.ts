/** Why a call ended, as FreeSWITCH tells it. */
export interface HangupCause {
  /** As in `Hangup-Cause`; `UNKNOWN` for a number that has no name. */
  name: string;
  /** Its number: up to 127 those of ITU-T Q.850, above it FreeSWITCH's own. */
  code: number;
}

/** What is sent to an INVITE that was not answered when nothing better is known. */
const DEFAULT_SIP_STATUS = 480;
/** Highest number that is one of Q.850. */
const LAST_Q850 = 127;

/** FreeSWITCH's causes: number, and the SIP status of an INVITE that ends unanswered for it where that is not 480. */
const CAUSES: Readonly<Record<string, readonly [code: number, sipStatus?: number]>> = {
  NONE: [0],
  UNALLOCATED_NUMBER: [1, 404],
  NO_ROUTE_TRANSIT_NET: [2, 404],
  NO_ROUTE_DESTINATION: [3, 404],
  CHANNEL_UNACCEPTABLE: [6],
  CALL_AWARDED_DELIVERED: [7],
  NORMAL_CLEARING: [16],
  USER_BUSY: [17, 486],
  NO_USER_RESPONSE: [18, 408],
  NO_ANSWER: [19],
  SUBSCRIBER_ABSENT: [20],
  CALL_REJECTED: [21, 603],
  NUMBER_CHANGED: [22, 410],
  REDIRECTION_TO_NEW_DESTINATION: [23, 410],
  EXCHANGE_ROUTING_ERROR: [25, 483],
  DESTINATION_OUT_OF_ORDER: [27, 502],
  INVALID_NUMBER_FORMAT: [28, 484],
  FACILITY_REJECTED: [29, 501],
  RESPONSE_TO_STATUS_ENQUIRY: [30],
  NORMAL_UNSPECIFIED: [31],
  NORMAL_CIRCUIT_CONGESTION: [34, 503],
  NETWORK_OUT_OF_ORDER: [38, 503],
  NORMAL_TEMPORARY_FAILURE: [41, 503],
  SWITCH_CONGESTION: [42, 503],
  ACCESS_INFO_DISCARDED: [43],
  REQUESTED_CHAN_UNAVAIL: [44, 503],
  PRE_EMPTED: [45],
  FACILITY_NOT_SUBSCRIBED: [50],
  OUTGOING_CALL_BARRED: [52, 403],
  INCOMING_CALL_BARRED: [54, 403],
  BEARERCAPABILITY_NOTAUTH: [57, 403],
  BEARERCAPABILITY_NOTAVAIL: [58, 503],
  SERVICE_UNAVAILABLE: [63],
  BEARERCAPABILITY_NOTIMPL: [65, 488],
  CHAN_NOT_IMPLEMENTED: [66],
  FACILITY_NOT_IMPLEMENTED: [69, 501],
  SERVICE_NOT_IMPLEMENTED: [79, 501],
  INVALID_CALL_REFERENCE: [81],
  INCOMPATIBLE_DESTINATION: [88, 488],
  INVALID_MSG_UNSPECIFIED: [95],
  MANDATORY_IE_MISSING: [96],
  MESSAGE_TYPE_NONEXIST: [97],
  WRONG_MESSAGE: [98],
  IE_NONEXIST: [99],
  INVALID_IE_CONTENTS: [100],
  WRONG_CALL_STATE: [101],
  RECOVERY_ON_TIMER_EXPIRE: [102, 504],
  MANDATORY_IE_LENGTH_ERROR: [103],
  PROTOCOL_ERROR: [111],
  INTERWORKING: [127],
  SUCCESS: [142],
  ORIGINATOR_CANCEL: [487, 487],
  CRASH: [700],
  SYSTEM_SHUTDOWN: [701],
  LOSE_RACE: [702],
  MANAGER_REQUEST: [703],
  BLIND_TRANSFER: [800],
  ATTENDED_TRANSFER: [801],
  ALLOTTED_TIMEOUT: [802],
  USER_CHALLENGE: [803],
  MEDIA_TIMEOUT: [804],
  PICKED_OFF: [805],
  USER_NOT_REGISTERED: [806],
  PROGRESS_TIMEOUT: [807],
  INVALID_GATEWAY: [808, 484],
  GATEWAY_DOWN: [809, 503],
  INVALID_URL: [810, 484],
  INVALID_PROFILE: [811, 502],
  NO_PICKUP: [812],
  SRTP_READ_ERROR: [813],
  BOWOUT: [814],
  BUSY_EVERYWHERE: [815, 600],
  DECLINE: [816, 603],
  DOES_NOT_EXIST_ANYWHERE: [817, 604],
  NOT_ACCEPTABLE: [818, 606],
  UNWANTED: [819, 607],
  NO_IDENTITY: [820, 428],
  BAD_IDENTITY_INFO: [821, 429],
  UNSUPPORTED_CERTIFICATE: [822, 437],
  INVALID_IDENTITY: [823, 438],
  STALE_DATE: [824, 403],
  REJECT_ALL: [825, 603],
};

const NAMES = new Map(Object.entries(CAUSES).map(([name, [code]]) => [code, name]));

/** The causes that statuses of SIP become. */
const OF_SIP_STATUS: Readonly<Record<number, string>> = {
  200: 'NORMAL_CLEARING',
  ...each([401, 402, 403, 407, 603, 608], 'CALL_REJECTED'),
  607: 'UNWANTED',
  404: 'UNALLOCATED_NUMBER',
  ...each([485, 604], 'NO_ROUTE_DESTINATION'),
  ...each([408, 504], 'RECOVERY_ON_TIMER_EXPIRE'),
  410: 'NUMBER_CHANGED',
  ...each([413, 414, 416, 420, 421, 423, 505, 513], 'INTERWORKING'),
  480: 'NO_USER_RESPONSE',
  ...each([400, 481, 500, 503], 'NORMAL_TEMPORARY_FAILURE'),
  ...each([486, 600], 'USER_BUSY'),
  484: 'INVALID_NUMBER_FORMAT',
  ...each([488, 606], 'INCOMPATIBLE_DESTINATION'),
  502: 'NETWORK_OUT_OF_ORDER',
  405: 'SERVICE_UNAVAILABLE',
  ...each([406, 415, 501], 'SERVICE_NOT_IMPLEMENTED'),
  ...each([482, 483], 'EXCHANGE_ROUTING_ERROR'),
  487: 'ORIGINATOR_CANCEL',
  428: 'NO_IDENTITY',
  429: 'BAD_IDENTITY_INFO',
  437: 'UNSUPPORTED_CERTIFICATE',
  438: 'INVALID_IDENTITY',
};

function each(statuses: readonly number[], name: string): Record<number, string> {
  return Object.fromEntries(statuses.map((status) => [status, name]));
}

/** The cause that a client names, by name in any case or by number; NORMAL_CLEARING when there is none of that name. */
export function hangupCauseOf(text: string): HangupCause {
  const digits = /^\d+/.exec(text.trim())?.[0];
  if (digits !== undefined) {
    const code = Math.min(Number(digits), 2 ** 31 - 1);
    return { name: NAMES.get(code) ?? 'UNKNOWN', code };
  }
  const name = text.trim().toUpperCase();
  const known = Object.hasOwn(CAUSES, name) ? name : 'NORMAL_CLEARING';
  return { name: known, code: CAUSES[known]![0] };
}

/** Number of Q.850 for a cause; that of NORMAL_CLEARING for FreeSWITCH's own causes. */
export function q850Of({ code }: HangupCause): number {
  return code <= LAST_Q850 ? code : 16;
}

/** Status with which an INVITE is refused for a cause. */
export function sipStatusOf({ name }: HangupCause): number {
  return (Object.hasOwn(CAUSES, name) && CAUSES[name]![1]) || DEFAULT_SIP_STATUS;
}

/** The cause that a status of SIP becomes. */
export function causeOfSipStatus(status: number): HangupCause {
  return hangupCauseOf(OF_SIP_STATUS[status] ?? 'NORMAL_UNSPECIFIED');
}

/** Value of a `Reason` header (RFC 3326): FreeSWITCH gives its own numbers as SIP's. */
export function reasonOf({ name, code }: HangupCause): string {
  if (name === 'PICKED_OFF' || name === 'LOSE_RACE') return 'SIP;cause=200;text="Call completed elsewhere"';
  const protocol = code > 0 && code <= LAST_Q850 ? 'Q.850' : 'SIP';
  return `${protocol};cause=${code};text="${name}"`;
}

/** The cause that a `Reason` header (RFC 3326) names by a number of Q.850; undefined when it names none. */
export function causeOfReason(reason: string | undefined): HangupCause | undefined {
  const [, protocol, parameters = ''] = /^\s*([^;\s]+)\s*;(.*)$/s.exec(reason ?? '') ?? [];
  const cause = /(?:^|;)\s*cause\s*=\s*(\d+)/i.exec(parameters)?.[1];
  return cause !== undefined && /^(Q\.850|FreeSWITCH)$/i.test(protocol!) ? hangupCauseOf(cause) : undefined;
}
