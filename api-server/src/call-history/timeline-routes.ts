import { HttpError } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import { badField, pathParam } from '../http/input.js';
import { findCall, readTimeline, type StoredEntry } from './call-history-store.js';
import { type CapturedCall, legsOf } from './sip-captures.js';
import type { TimelineEvent } from './timeline-hub.js';

/** Proxies and clients drop a stream that is silent for long. */
const HEARTBEAT_MS = 10_000;
/** A reader that lets this much pile up is too slow: it is cut off rather than kept in memory. */
const MAX_BUFFERED_BYTES = 4 << 20;

/** Processes report side by side: live entries wait this long, so that they can be told in the order of time. */
const REORDER_MS = 150;
/** How long entries of slower processes may take to arrive after the final one. */
const LINGER_MS = 500;

/** A line of a timeline as the API shows it. */
interface EntryJson {
  at_ms: number;
  /** Ms since the INVITE came in. */
  offset_ms: number;
  kind: string;
  level: string;
  text: string;
  data?: Record<string, unknown>;
}

/** SIP messages are asked for so often while somebody looks on; before each line of another kind anyway. */
const SIP_POLL_MS = 500;

/** A call that may be shown, as far as it is known. */
type Subject = CapturedCall;

const fromEvent = ({ id, at, data }: TimelineEvent): StoredEntry => ({ eventId: id, atMs: at, ...data });

const toJson = ({ eventId: _, atMs, ...entry }: StoredEntry, startedAt: number): EntryJson => ({
  at_ms: atMs,
  offset_ms: Math.round((atMs - startedAt) * 1000) / 1000,
  ...entry,
});

const isFinal = (entry: StoredEntry): boolean => entry.kind === 'call' && entry.data?.final === true;

/** Events that belong to the account; those of a call without an account are for admins only. */
const isVisible = (principal: Principal, accountSid: string, event: TimelineEvent): boolean =>
  event.accountSid === accountSid || (event.accountSid === undefined && principal.scope === 'admin');

/**
 * Finds a call by sid or Call-ID: in the database, else among the recent events. Some entries carry no account (written
 * before one was found); they are shown when the call itself is the account's.
 */
async function findSubject(
  { db, timelineHub }: ApiContext,
  principal: Principal,
  accountSid: string,
  callId: string,
): Promise<Subject | undefined> {
  const call = await findCall(db, accountSid, callId);
  if (call !== undefined) {
    const { call_sid: callSid, sip_callid: sipCallId, attempted_at: startedAt, terminated_at: endedAt } = call;
    return { callSid, sipCallId, startedAt, endedAt: endedAt ?? undefined };
  }
  const recent = timelineHub.recent(callId);
  const own = recent.filter((event) => isVisible(principal, accountSid, event));
  const callSid = own.find((event) => event.callSid !== undefined)?.callSid;
  if (callSid === undefined) return undefined;
  return {
    callSid,
    sipCallId: own.find((event) => event.callSid === callSid && event.sipCallId !== undefined)?.sipCallId,
    endedAt: undefined,
    startedAt: Math.min(...recent.filter((event) => event.callSid === callSid).map((event) => event.at)),
  };
}

/** What the processes told of the call, by the ids of the entries. */
async function told({ db, timelineHub }: Pick<ApiContext, 'db' | 'timelineHub'>, { callSid }: Subject) {
  const byId = new Map((await readTimeline(db, callSid)).map((entry) => [entry.eventId, entry]));
  for (const event of timelineHub.recent(callSid)) if (!byId.has(event.id)) byId.set(event.id, fromEvent(event));
  return byId;
}

/** Everything known of the call's timeline, without doubles, in the order of time. */
async function collect({ db, timelineHub, sipCaptures }: ApiContext, subject: Subject): Promise<StoredEntry[]> {
  const byId = await told({ db, timelineHub }, subject);
  const messages = await sipCaptures.entriesOf({ ...subject, legs: legsOf(byId.values()) });
  for (const message of messages) byId.set(message.eventId, message);
  return [...byId.values()].sort((a, b) => a.atMs - b.atMs);
}

/** Writes server-sent events until shortly after the final entry, or until the reader goes away. */
async function stream(context: ApiContext, subject: Subject, req: Request, res: Response): Promise<void> {
  // Subscribe first: what comes while the past is read must not be missed.
  let waiting: StoredEntry[] = [];
  const sent = new Set<string>();
  let legs: readonly string[] = [];
  let isLive = false;
  let isOver = false;
  let ending: NodeJS.Timeout | undefined;
  let reordering: NodeJS.Timeout | undefined;
  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    clearInterval(heartbeat);
    clearTimeout(reordering);
    clearTimeout(ending);
    clearInterval(polling);
    unsubscribe();
    context.openStreams.delete(finish);
    res.end();
  };
  const send = (entry: StoredEntry): void => {
    if (isOver || sent.has(entry.eventId)) return;
    sent.add(entry.eventId);
    res.write(`data: ${JSON.stringify(toJson(entry, subject.startedAt))}\n\n`);
    if (res.writableLength > MAX_BUFFERED_BYTES) finish();
  };
  let isTelling = false;
  let telling = Promise.resolve();
  const tell = async (): Promise<void> => {
    if (isOver) return;
    isTelling = true;
    legs = [...new Set([...legs, ...legsOf(waiting)])];
    const messages = await context.sipCaptures.entriesOf({ ...subject, legs });
    isTelling = false;
    const entries = [...waiting, ...messages].sort((a, b) => a.atMs - b.atMs);
    waiting = [];
    for (const entry of entries) send(entry);
    if (entries.some(isFinal)) endSoon(LINGER_MS);
  };
  /** Tells what has come, with the SIP messages until now, in the order of time. */
  const sendWaiting = async (): Promise<void> => {
    reordering = undefined;
    telling = telling.then(tell);
    return telling;
  };
  const endSoon = (ms: number): void => {
    ending ??= setTimeout(() => void sendWaiting().then(finish), ms);
  };
  const polling = context.sipCaptures.isConfigured
    ? setInterval(() => {
        if (isLive && !isTelling) void sendWaiting();
      }, SIP_POLL_MS)
    : undefined;
  const unsubscribe = context.timelineHub.subscribe(subject.callSid, (event) => {
    waiting.push(fromEvent(event));
    if (isLive) reordering ??= setTimeout(() => void sendWaiting(), REORDER_MS);
  });
  const heartbeat = setInterval(() => res.write(': still here\n\n'), HEARTBEAT_MS);
  context.openStreams.add(finish);
  req.on('close', finish);
  res.on('close', finish);
  res.on('error', finish);
  try {
    const past = await collect(context, subject);
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    res.flushHeaders();
    for (const entry of past) send(entry);
    legs = legsOf(past);
    isLive = true;
    void sendWaiting();
    const final = past.find(isFinal);
    if (final) endSoon(Math.max(0, final.atMs + LINGER_MS - Date.now()));
  } catch (err) {
    unsubscribe();
    clearInterval(heartbeat);
    clearInterval(polling);
    context.openStreams.delete(finish);
    throw err;
  }
}

/**
 * `/Accounts/{sid}/Calls/{call_sid or Call-ID}/Timeline`: JSON, or live with `Accept: text/event-stream`; and
 * `/Accounts/{sid}/RecentCalls/{call_sid or Call-ID}/{invite or register}/pcap`: its SIP messages.
 */
export function timelineRoutes(router: Router, context: ApiContext): void {
  router.get('/Accounts/:account_sid/Calls/:call_id/Timeline', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    const callId = pathParam(req, 'call_id');
    const principal = principalOf(res);
    await requireAccount(context.db, principal, accountSid);
    const subject = await findSubject(context, principal, accountSid, callId);
    if (subject === undefined) throw new HttpError(404, `there is no call ${callId}`);
    if (req.accepts(['application/json', 'text/event-stream']) === 'text/event-stream') {
      return stream(context, subject, req, res);
    }
    const entries = await collect(context, subject);
    res.json({
      call_sid: subject.callSid,
      started_at: subject.startedAt,
      entries: entries.map((entry) => toJson(entry, subject.startedAt)),
    });
  });
  router.get('/Accounts/:account_sid/RecentCalls/:call_id/:method/pcap', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    const callId = pathParam(req, 'call_id');
    const method = pathParam(req, 'method');
    const principal = principalOf(res);
    await requireAccount(context.db, principal, accountSid);
    if (method !== 'invite' && method !== 'register') throw badField('method', 'must be invite or register');
    // No record says whose a registration was, so that none can be shown.
    const subject = method === 'invite' ? await findSubject(context, principal, accountSid, callId) : undefined;
    if (subject === undefined)
      throw new HttpError(404, `there is no ${method === 'invite' ? 'call' : 'registration'} ${callId}`);
    const legs = legsOf((await told(context, subject)).values());
    const pcap = await context.sipCaptures.pcapOf({ ...subject, legs });
    res.type('application/vnd.tcpdump.pcap').attachment(`callid-${subject.callSid}.pcap`).send(pcap);
  });
}
