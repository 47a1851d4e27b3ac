import { SIP_HEADERS } from '@ringwire/common';
import { splitUri } from '@ringwire/common/sip/uri.js';
import type { CommandResult, RecordCommand } from '../control/commands.js';
import type { LegReply, LegRequest } from '../session/call-leg.js';
import type { Journal } from '../session/journal.js';
import { ownHeaders } from '../sip/leg-requests.js';

/** What a {@link SiprecRecorder} is made of. */
export interface SiprecRecorderOptions {
  journal: Journal;
  /** Sends a request to the edge in the call's dialog. @throws CallGoneError and others of it */
  request(request: LegRequest): Promise<LegReply>;
  facts(): Readonly<Record<string, unknown>>;
}

/** Each may keep the edge waiting; it takes no more either. */
const MAX_SERVERS = 5;
const MAX_RECORDING_ID_CHARACTERS = 256;
/** An INFO over UDP has to fit into few datagrams. */
const MAX_HEADERS_BYTES = 4_096;
const DONE: CommandResult = { ok: true };

/**
 * Recordings by a recording server outside (SIPREC, RFC 7866): the edge has the sound and makes them, this tells it to. It knows of none itself: a call may have come
 * from another feature server with one.
 */
export class SiprecRecorder {
  constructor(private readonly options: SiprecRecorderOptions) {}

  /** @throws what a request in the dialog may */
  async obey(command: RecordCommand): Promise<CommandResult> {
    const { action } = command;
    const isStart = action === 'startCallRecording';
    const content = isStart ? this.#start(command) : { headers: {} };
    if ('problem' in content) return this.#fail(content.problem);
    const { status, reason, why } = await this.options.request({ method: 'INFO', order: action, ...content });
    if (status === 200) return DONE;
    const text = why ?? `${status} ${reason}`;
    if (status === 400) return { ok: false, because: 'wrong state', reason: text };
    // The edge has raised its alert where a recording server failed.
    if (status !== 503 || why === undefined) return this.#fail(text);
    this.options.journal.timeline.error('media', `SIPREC recording: ${text}`);
    return { ok: false, because: 'failed', reason: text };
  }

  #start(command: RecordCommand): Pick<LegRequest, 'headers' | 'body'> | { problem: string } {
    const { siprecServerURL, recordingID, headers } = command;
    const named = typeof siprecServerURL === 'string' ? siprecServerURL.split(',') : (siprecServerURL ?? []);
    const urls = named.map((url) => url.trim()).filter((url) => url !== '');
    if (urls.length === 0) return { problem: 'siprecServerURL is missing' };
    if (urls.length > MAX_SERVERS) return { problem: `siprecServerURL names more than ${MAX_SERVERS} servers` };
    const bad = urls.find((url) => !splitUri(url)?.host || /[\s<>"?,]/.test(url));
    if (bad !== undefined) return { problem: `siprecServerURL: ${JSON.stringify(bad.slice(0, 200))} is no SIP URI` };
    if (
      recordingID !== undefined &&
      !new RegExp(`^[\\x21-\\x7e ]{1,${MAX_RECORDING_ID_CHARACTERS}}$`).test(recordingID)
    )
      return { problem: `recordingID must be up to ${MAX_RECORDING_ID_CHARACTERS} printable characters` };
    const body = JSON.stringify(ownHeaders(headers));
    if (Buffer.byteLength(body) > MAX_HEADERS_BYTES) return { problem: 'headers are too long' };
    const facts = this.options.facts();
    const text = (value: unknown): string | undefined =>
      typeof value === 'string' && value !== '' ? value : undefined;
    const about = {
      [SIP_HEADERS.srsUrl]: urls.join(','),
      [SIP_HEADERS.srsRecordingId]: recordingID,
      [SIP_HEADERS.callSid]: text(facts.callSid),
      [SIP_HEADERS.accountSid]: text(facts.accountSid),
      [SIP_HEADERS.applicationSid]: text(facts.applicationSid),
    };
    const known = Object.fromEntries(
      Object.entries(about).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    return body === '{}' ? { headers: known } : { headers: { ...known, 'Content-Type': 'application/json' }, body };
  }

  #fail(reason: string): CommandResult {
    const { journal } = this.options;
    journal.timeline.error('media', `SIPREC recording: ${reason}`);
    journal.alert('recording-failure', `SIPREC recording: ${reason}`);
    return { ok: false, because: 'failed', reason };
  }
}
