/** What the action hook hears of the outcome (compat 2.6). */
export interface DialResult {
  dialCallStatus: 'completed' | 'no-answer' | 'busy' | 'failed';
  dialSipStatus: number;
  dialCallSid?: string;
  dialSbcCallid?: string;
}

/** Nobody took the call before somebody gave up. */
export const noAnswer = (dialCallSid: string | undefined): DialResult => ({
  dialCallStatus: 'no-answer',
  dialSipStatus: 487,
  ...(dialCallSid !== undefined && { dialCallSid }),
});

/** jambonz's words for the outcomes of a dialled leg, as its status hooks have them (compat 2.5). */
export function statusWord(status: number): DialResult['dialCallStatus'] {
  if (status === 486 || status === 600) return 'busy';
  return status === 487 ? 'no-answer' : 'failed';
}

/**
 * What a caller gets who waited unanswered for nothing. 487 is for those who gave up themselves; for 408 and 5xx the edge would try
 * another feature server.
 */
export const outwardStatus = (status: number): number =>
  status < 400 || status === 408 || status === 487 || (status >= 500 && status < 600) ? 480 : status;
