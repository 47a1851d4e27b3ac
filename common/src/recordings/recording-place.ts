/** Format of a stored recording. */
export type RecordingFormat = 'wav' | 'mp3';

/** Which recording it is. */
export interface RecordingName {
  accountSid: string;
  callSid: string;
  /** Day on which it began, UTC. */
  year: string;
  month: string;
  day: string;
  format: RecordingFormat;
}

/** The name of a recording that began at `startedAtMs`. */
export function recordingName(
  call: { accountSid: string; callSid: string; format: RecordingFormat },
  startedAtMs: number,
): RecordingName {
  const [year = '', month = '', day = ''] = new Date(startedAtMs).toISOString().slice(0, 10).split('-');
  return { accountSid: call.accountSid, callSid: call.callSid, format: call.format, year, month, day };
}

/** Its key in the account's own bucket, as in jambonz; in a storage of the operator it stands below the account's sid. */
export function recordingKey({ year, month, day, callSid, format }: RecordingName): string {
  return `${year}/${month}/${day}/${callSid.replace(/[^\w.-]/g, '_')}.${format}`;
}

/** Where the REST API hands it out, from `/v1` on: `recording_url` of the call's record. */
export function recordingPath({ accountSid, callSid, year, month, day, format }: RecordingName): string {
  return `/Accounts/${accountSid}/RecentCalls/${encodeURIComponent(callSid)}/record/${year}/${month}/${day}/${format}`;
}
