/** Q.850 codes of FreeSWITCH's hangup causes that matter here, and the SIP status an unanswered INVITE gets for them. */
const CAUSES: Readonly<Record<string, { q850: number; sipStatus: number }>> = {
  NONE: { q850: 0, sipStatus: 480 },
  UNALLOCATED_NUMBER: { q850: 1, sipStatus: 404 },
  NO_ROUTE_DESTINATION: { q850: 3, sipStatus: 404 },
  NORMAL_CLEARING: { q850: 16, sipStatus: 480 },
  USER_BUSY: { q850: 17, sipStatus: 486 },
  NO_USER_RESPONSE: { q850: 18, sipStatus: 408 },
  NO_ANSWER: { q850: 19, sipStatus: 480 },
  CALL_REJECTED: { q850: 21, sipStatus: 603 },
  DESTINATION_OUT_OF_ORDER: { q850: 27, sipStatus: 502 },
  NORMAL_UNSPECIFIED: { q850: 31, sipStatus: 480 },
  NORMAL_TEMPORARY_FAILURE: { q850: 41, sipStatus: 503 },
  SWITCH_CONGESTION: { q850: 42, sipStatus: 503 },
  RECOVERY_ON_TIMER_EXPIRE: { q850: 102, sipStatus: 504 },
  INCOMPATIBLE_DESTINATION: { q850: 88, sipStatus: 488 },
  ORIGINATOR_CANCEL: { q850: 487, sipStatus: 487 },
  MEDIA_TIMEOUT: { q850: 604, sipStatus: 504 },
};

/** The cause as FreeSWITCH names it; an unknown one becomes NORMAL_CLEARING, as there. */
export function hangupCauseOf(name: string): string {
  const upper = name.trim().toUpperCase();
  return upper in CAUSES ? upper : 'NORMAL_CLEARING';
}

/** Q.850 code of a cause. */
export function q850Of(cause: string): number {
  return CAUSES[cause]?.q850 ?? 16;
}
