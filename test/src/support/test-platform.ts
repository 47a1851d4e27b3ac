import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, decryptSecret, openDatabase } from '@ringwire/common';
import type { InstanceDescription, Platform } from '@ringwire/launcher';
import { type PhoneCall, type PlaceCallOptions, placeCall } from '@ringwire/phone';
import type { CustomerApplication, HookAnswer, Responder } from './customer-application.js';
import { eventually } from './eventually.js';
import { type MetricSamples, readMetrics } from './metrics.js';

/** A number with an application of its own: hooks at paths that no other line of the test uses. */
export interface Line {
  number: string;
  applicationSid: string;
  /** Path of the call hook. */
  call: string;
  /** Path free for action hooks. */
  action: string;
  /** Path of the call status hook. */
  status: string;
}

/** What a line has beside the usual. */
export interface LineOptions {
  /** URL of the call hook. @defaultValue the line's path at the test's application */
  callHook?: string;
  /** Verbs stored with the application instead of asking the hook. */
  appJson?: unknown[];
}

/** A call record as the REST API has it. */
export interface CallRecord {
  call_sid: string;
  sip_callid: string;
  account_sid: string;
  application_sid: string | null;
  from: string;
  to: string;
  answered: boolean;
  duration: number;
  /** Ms since the epoch. */
  attempted_at: number;
  answered_at: number | null;
  terminated_at: number;
  termination_reason: string;
  sip_status: number;
  direction: string;
  trunk: string;
  recording_url: string | null;
}

/** An entry of a call's timeline as the REST API has it. */
export interface TimelineRow {
  at_ms: number;
  offset_ms: number;
  kind: string;
  level: string;
  text: string;
  data: Record<string, unknown> | null;
}

/** Lines are made in batches, since each batch has to be seen by the call path. */
const LINES_AT_ONCE = 12;

/** A whole platform with a customer's application, for one test file. */
export class TestPlatform {
  readonly platform: Platform;
  readonly application: CustomerApplication;
  readonly dataDir: string;
  #lastLine = 0;
  #carrier: string | undefined;
  #spare: Line[] = [];

  constructor(platform: Platform, application: CustomerApplication, dataDir: string) {
    this.platform = platform;
    this.application = application;
    this.dataDir = dataDir;
  }

  get instance(): InstanceDescription {
    return this.platform.instance;
  }

  /** A line whose application answers the call hook like this. */
  async line(answer: unknown[] | HookAnswer | Responder = []): Promise<Line> {
    if (this.#spare.length === 0) {
      for (let i = 0; i < LINES_AT_ONCE; i++) this.#spare.push(await this.#provision({}));
      await this.#settled();
    }
    const line = this.#spare.shift() as Line;
    this.application.answer(line.call, answer);
    return line;
  }

  /** A line whose application answers with verbs that name the line's own paths. */
  async lineWith(verbs: (line: Line) => unknown[]): Promise<Line> {
    const line = await this.line();
    this.application.answer(line.call, verbs(line));
    return line;
  }

  /** A line that gets its verbs in an unusual way. */
  async specialLine(options: LineOptions): Promise<Line> {
    const line = await this.#provision(options);
    await this.#settled();
    return line;
  }

  async #provision({ callHook, appJson }: LineOptions): Promise<Line> {
    const { accountSid } = this.instance;
    this.#lastLine += 1;
    const [call, action, status] = [
      `/call-${this.#lastLine}`,
      `/action-${this.#lastLine}`,
      `/status-${this.#lastLine}`,
    ];
    const hook = (url: string) => ({ url: new URL(url, this.application.url).href, method: 'POST' });
    const { sid: applicationSid } = await this.api<{ sid: string }>('POST', '/v1/Applications', {
      name: `test ${this.#lastLine}`,
      account_sid: accountSid,
      call_hook: hook(callHook ?? call),
      call_status_hook: hook(status),
      ...(appJson ? { app_json: JSON.stringify(appJson) } : {}),
    });
    const number = `1777555${String(this.#lastLine).padStart(4, '0')}`;
    this.#carrier ??= (await this.api<{ voip_carrier_sid: string }[]>('GET', '/v1/PhoneNumbers'))[0]?.voip_carrier_sid;
    await this.api('POST', '/v1/PhoneNumbers', {
      number,
      account_sid: accountSid,
      voip_carrier_sid: this.#carrier,
      application_sid: applicationSid,
    });
    return { number, applicationSid, call, action, status };
  }

  /** Waits until everything made so far is known on the call path: a call to a line made last gets through. */
  async #settled(): Promise<void> {
    const probe = await this.#provision({});
    this.application.answer(probe.call, [{ verb: 'sip:decline', status: 489 }]);
    await eventually(
      'provisioning known on the call path',
      async () => (await (await this.call(probe.number)).finished).status,
      (status) => status === 489,
      { timeoutMs: 40_000 },
    );
  }

  /** Calls a number of this platform. The caller is a carrier's gateway (127.0.0.1) unless said otherwise. */
  async call(number: string, options: Partial<PlaceCallOptions> = {}): Promise<PhoneCall> {
    const { host, port } = this.instance.sip;
    return placeCall({
      target: `sip:${number}@${host}:${port}`,
      localHost: '127.0.0.1',
      from: '15550001111',
      ...options,
    });
  }

  /** A request to the REST API; fails on anything but 2xx. */
  async api<T = unknown>(method: string, path: string, body?: unknown, key = this.instance.api.key): Promise<T> {
    const { url } = this.instance.api;
    const response = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** All finished call records of the account, newest first. */
  async records(filter?: string): Promise<CallRecord[]> {
    const query = new URLSearchParams({ page: '1', count: '500', days: '1', ...(filter ? { filter } : {}) });
    const answer = await this.api<{ data: CallRecord[] }>(
      'GET',
      `/v1/Accounts/${this.instance.accountSid}/RecentCalls?${query}`,
    );
    return answer.data;
  }

  /** Waits for the one finished record of a SIP call. */
  async record(sipCallId: string, timeoutMs = 10_000): Promise<CallRecord> {
    const found = await eventually(
      `record of ${sipCallId}`,
      async () => (await this.records()).filter((record) => record.sip_callid === sipCallId && record.terminated_at),
      (records) => records.length > 0,
      { timeoutMs },
    );
    if (found.length !== 1) throw new Error(`${found.length} records of ${sipCallId}`);
    return found[0] as CallRecord;
  }

  /** The timeline of a call (by call sid or SIP Call-ID) once it has its final entry. */
  async timeline(call: string, timeoutMs = 10_000): Promise<TimelineRow[]> {
    const path = `/v1/Accounts/${this.instance.accountSid}/Calls/${encodeURIComponent(call)}/Timeline`;
    // The administrator also sees calls that were refused before an account was found.
    const { adminKey } = this.instance.api;
    return eventually(
      `final timeline of ${call}`,
      async () => (await this.api<{ entries: TimelineRow[] }>('GET', path, undefined, adminKey)).entries,
      (entries) => entries.some(({ kind, data }) => kind === 'call' && data?.final === true),
      { timeoutMs },
    );
  }

  /** The secret that the account's hooks are signed with, as it stands (encrypted) in the database. */
  async webhookSecret(): Promise<string> {
    const secrets = JSON.parse(await readFile(join(this.dataDir, 'secrets.json'), 'utf8')) as Record<string, string>;
    const [, key] = Object.entries(secrets).find(([name]) => /encryption/i.test(name)) ?? [];
    const db = openDatabase(this.instance.mysql, { logger: createLogger({ name: 'test', level: 'warn' }) });
    try {
      const rows = await db.query<{ webhook_secret: string }>(
        'SELECT webhook_secret FROM accounts WHERE account_sid = ?',
        [this.instance.accountSid],
      );
      return decryptSecret(rows[0]?.webhook_secret ?? '', key ?? '');
    } finally {
      await db.close();
    }
  }

  /** The metrics of one process. */
  async metrics(process: string): Promise<MetricSamples> {
    const base = this.instance.metrics[process];
    if (!base) throw new Error(`no metrics of ${process}; there are ${Object.keys(this.instance.metrics)}`);
    return readMetrics(new URL('/metrics', base).href);
  }
}
