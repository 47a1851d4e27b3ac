import { readFile } from 'node:fs/promises';
import { type G711Codec, readWavAt, SAMPLE_RATE_HZ } from '@ringwire/rtp';
import {
  createUserAgent,
  type Endpoint,
  endpointOfUri,
  type InviteFailedError,
  type OutgoingCall,
  SipMessage,
  type UserAgent,
} from '@ringwire/sip';
import { authorization, type PhoneAccount } from './account.js';
import { type AudioSource, samplesSource } from './audio-source.js';
import { PhoneError } from './errors.js';
import { MediaDescription } from './media-description.js';
import { MediaSession } from './media-session.js';
import { type EndedBy, PhoneCall } from './phone-call.js';
import { bindDialog, headersOf, localHostTowards, seen, whenRefused } from './signalling.js';

/** A call to place. */
export interface PlaceCallOptions {
  /** SIP URI, or a number when `proxy` says where to send it. */
  target: string;
  /** Where the INVITE goes instead of the host of the URI. */
  proxy?: { host: string; port: number; transport?: 'udp' | 'tcp' };
  /** Local IP address. @defaultValue the one from which the system reaches the target */
  localHost?: string;
  /** Number or user of the caller. @defaultValue 15551234567 */
  from?: string;
  displayName?: string;
  /** Calls as this user, and proves it when it is asked to. */
  account?: PhoneAccount;
  /** Keys to press after the answer. */
  dtmf?: string;
  /** From the answer to the first key. @defaultValue `sayAfterMs` */
  dtmfAfterMs?: number;
  /** From the answer to the begin of `play`. @defaultValue 0 */
  sayAfterMs?: number;
  /** What to speak: a WAV file's path, samples at 8 kHz, or a source. Silence is sent when there is nothing. */
  play?: string | Int16Array | AudioSource;
  /** File (WAV, 8 kHz) for what is heard: early media, then the call. None is written when nothing was heard. */
  record?: string;
  /** Further headers of the INVITE. */
  headers?: Readonly<Record<string, string>>;
  /** Codecs to offer, in order. @defaultValue PCMU, PCMA */
  codecs?: readonly G711Codec[];
  /** Hang up so long after the answer. */
  hangupAfterMs?: number;
  /** Give up (CANCEL) so long after the INVITE when it is not answered. */
  cancelAfterMs?: number;
  /** Aborting hangs up. */
  signal?: AbortSignal;
}

/**
 * Places a call. Resolves when the INVITE is under way; the call says what becomes of it.
 *
 * @throws PhoneError `phone/bad-target` when nothing can be called by that name; errors of the file to play or the local address.
 */
export async function placeCall(options: PlaceCallOptions): Promise<PhoneCall> {
  const { uri, destination } = resolveTarget(options);
  const source = await openSource(options.play);
  const localHost = options.localHost ?? (await localHostTowards(destination.host, destination.port));
  const agent = await createUserAgent({
    listen: [{ transport: destination.transport, host: localHost, port: 0 }],
    user: options.from ?? '15551234567',
    userAgent: 'Ringwire phone',
    ...(options.displayName ? { displayName: options.displayName } : {}),
  });
  try {
    return await invite(agent, uri, destination, localHost, source, options);
  } catch (error) {
    await agent.stop();
    throw error;
  }
}

async function invite(
  agent: UserAgent,
  uri: string,
  destination: Endpoint,
  localHost: string,
  source: AudioSource | undefined,
  options: PlaceCallOptions,
): Promise<PhoneCall> {
  const media = await MediaSession.open({ localHost, onDigit: (digit) => call.emit('dtmf', digit) });
  const description = new MediaDescription(media, options.codecs);
  const sdp = description.offer();
  const { account, headers = {} } = options;
  const from = account ? { from: `<sip:${account.user}@${account.realm}>` } : {};
  let outgoing = agent.invite({ uri, sdp, destination, headers, ...from });
  const call: PhoneCall = new PhoneCall({
    sipCallId: outgoing.callId,
    media,
    record: options.record,
    release: () => afterLastMessage(agent),
  });
  call.cancelBy((headers) => {
    outgoing.cancel(headers);
    endIfSilent(call);
  });
  if (destination.transport === 'udp') endWhenRefused(call, destination);
  follow(outgoing, call, description, (challenge) => {
    const proof = account && authorization(challenge, account, { method: 'INVITE', uri });
    if (proof === undefined) return undefined;
    const again = { ...headers, CSeq: '2 INVITE', Authorization: proof };
    outgoing = agent.invite({ uri, sdp, destination, headers: again, ...from, callId: outgoing.callId });
    return outgoing;
  });
  act(call, source, options);
  return call;
}

/** A peer that has not answered at all by then is looked at: most answer 100 Trying within a few milliseconds. */
const LOOK_AFTER_MS = 300;

/** Ends a call at once whose first hop does not exist, instead of after the 32 s of RFC 3261's timer B. */
function endWhenRefused(call: PhoneCall, { host, port }: Endpoint): void {
  const over = new AbortController();
  const timer = setTimeout(async () => {
    if (call.responses.length > 0) return;
    const refused = await whenRefused(host, port, over.signal);
    if (refused === undefined || call.responses.length > 0) return;
    call.note({ status: 503, reason: refused, headers: {}, at: Date.now() });
    await call.end('transport');
  }, LOOK_AFTER_MS);
  call.once('provisional', () => over.abort());
  call.once('ended', () => {
    clearTimeout(timer);
    over.abort();
  });
}

/** A CANCEL has to wait for a first response (RFC 3261 §9.1); from a peer that sends none, so long. */
const FIRST_RESPONSE_MS = 500;

function endIfSilent(call: PhoneCall): void {
  const timer = setTimeout(() => call.responses.length === 0 && void call.end('timeout'), FIRST_RESPONSE_MS);
  call.once('ended', () => clearTimeout(timer));
}

/** Lets responses that were just handed to the socket leave before it is closed. */
async function afterLastMessage(agent: UserAgent): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await agent.stop();
}

/** @param prove - places the call again with what a 401 asks for; undefined where it cannot */
function follow(
  outgoing: OutgoingCall,
  call: PhoneCall,
  description: MediaDescription,
  prove: (challenge: SipMessage) => OutgoingCall | undefined = () => undefined,
): void {
  outgoing.on('progress', (response) => {
    if (response.body.length > 0) description.accept(response.bodyText);
    call.note(seen(response));
  });
  outgoing.on('answered', (dialog, response) => {
    call.note(seen(response));
    const agreed = description.accept(dialog.remoteSdp);
    bindDialog(call, dialog, description);
    if (!agreed.ok) void call.hangup({ Reason: 'SIP;cause=488;text="no usable media"' });
  });
  outgoing.on('failed', (error) => {
    const { status, response } = error;
    const proven = status === 401 && response instanceof SipMessage ? prove(response) : undefined;
    // Once: what is challenged again has the wrong password.
    if (proven) return follow(proven, call, description);
    if (error.response instanceof SipMessage) call.note(seen(error.response));
    else call.note({ status: error.status, reason: error.reason, headers: {}, at: Date.now() });
    void call.end(endedBy(error), error.response instanceof SipMessage ? headersOf(error.response) : {});
  });
}

function endedBy({ status, response }: InviteFailedError): EndedBy {
  if (status === 487) return 'cancelled';
  if (response !== undefined) return 'refused';
  return status === 408 ? 'timeout' : 'transport';
}

/** What the phone does by itself: speaks, presses keys, hangs up, gives up. */
function act(call: PhoneCall, source: AudioSource | undefined, options: PlaceCallOptions): void {
  const timers: NodeJS.Timeout[] = [];
  const after = (ms: number, action: () => unknown): void => void timers.push(setTimeout(action, ms));
  const hangup = (): void => void call.hangup();
  const { sayAfterMs = 0, dtmf, dtmfAfterMs = sayAfterMs, hangupAfterMs, cancelAfterMs, signal } = options;
  if (cancelAfterMs !== undefined) after(cancelAfterMs, () => call.answeredAt === null && hangup());
  call.once('answered', () => {
    if (source) after(sayAfterMs, () => call.play(source));
    if (dtmf) after(dtmfAfterMs, () => void call.sendDtmf(dtmf).catch((error: Error) => call.emit('problem', error)));
    if (hangupAfterMs !== undefined) after(hangupAfterMs, hangup);
  });
  signal?.addEventListener('abort', hangup);
  if (signal?.aborted) hangup();
  call.once('ended', () => {
    for (const timer of timers) clearTimeout(timer);
    signal?.removeEventListener('abort', hangup);
  });
}

async function openSource(play: PlaceCallOptions['play']): Promise<AudioSource | undefined> {
  if (play === undefined) return undefined;
  if (play instanceof Int16Array) return samplesSource(play);
  if (typeof play !== 'string') return play;
  return samplesSource(readWavAt(await readFile(play), SAMPLE_RATE_HZ));
}

function resolveTarget({ target, proxy }: PlaceCallOptions): { uri: string; destination: Endpoint } {
  const proxyEndpoint = proxy && { transport: proxy.transport ?? ('udp' as const), host: proxy.host, port: proxy.port };
  const number = /^[+*#\d][-.()\d*#A-D]*$/i.test(target);
  if (number && proxyEndpoint) {
    const { host, port } = proxyEndpoint;
    const user = target.replace(/[-.()]/g, '').replaceAll('#', '%23');
    return { uri: `sip:${user}@${host}:${port}`, destination: proxyEndpoint };
  }
  const uri = target.includes(':') ? target : `sip:${target}`;
  const destination = proxyEndpoint ?? endpointOfUri(uri);
  if (number || !destination) throw new PhoneError('phone/bad-target', `not a SIP URI that can be called: ${target}`);
  return { uri, destination };
}
