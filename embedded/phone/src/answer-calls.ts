import type { G711Codec } from '@ringwire/rtp';
import { createUserAgent, type IncomingCall, type UserAgent } from '@ringwire/sip';
import { type PhoneAccount, register } from './account.js';
import { type AudioSource, samplesSource } from './audio-source.js';
import { MediaDescription } from './media-description.js';
import { MediaSession } from './media-session.js';
import { PhoneCall } from './phone-call.js';
import { bindDialog } from './signalling.js';

/** How a phone takes calls. */
export interface AnswerCallsOptions {
  /** @defaultValue 127.0.0.1 */
  host?: string;
  /** 0 takes a free port. @defaultValue 0 */
  port?: number;
  /** User of its own URI. @defaultValue phone */
  user?: string;
  /** Registers as this user at a registrar, over UDP, so that it can be called by name. */
  register?: PhoneAccount & { registrar: { host: string; port: number } };
  /** Rings (180) so long before it answers; `never` rings on. @defaultValue 0 */
  answerAfterMs?: number | 'never';
  /** Refuses every call instead. */
  reject?: { status: number; reason?: string; headers?: Readonly<Record<string, string>> };
  /** Sends 183 with SDP, and this, while it rings (samples at 8 kHz). */
  earlyMedia?: Int16Array;
  /** What it speaks after the answer (samples at 8 kHz). */
  play?: Int16Array;
  codecs?: readonly G711Codec[];
}

/** A phone that waits for calls. */
export interface AnsweringPhone {
  host: string;
  port: number;
  /** How to call it. */
  uri: string;
  /** The next call that has not been given out yet, from its INVITE on; waits for one. */
  nextCall(): Promise<PhoneCall>;
  /** Ends all calls and frees everything. */
  close(): Promise<void>;
}

/**
 * Starts a phone that takes calls over UDP and TCP.
 *
 * @throws PhoneError `phone/not-registered` when it is to register and cannot
 */
export async function answerCalls(options: AnswerCallsOptions = {}): Promise<AnsweringPhone> {
  const { host = '127.0.0.1', port = 0, user = options.register?.user ?? 'phone' } = options;
  const agent = await createUserAgent({
    listen: [
      { transport: 'udp', host, port },
      { transport: 'tcp', host, port },
    ],
    user,
  });
  const live = new Set<PhoneCall>();
  const arrived: PhoneCall[] = [];
  const waiting: ((call: PhoneCall) => void)[] = [];
  const deliver = (call: PhoneCall): void => {
    live.add(call);
    call.once('ended', () => live.delete(call));
    const waiter = waiting.shift();
    if (waiter) waiter(call);
    else arrived.push(call);
  };
  agent.onInvite((incoming) => {
    const { reject } = options;
    if (reject) {
      incoming.reject(reject.status, reject.reason, reject.headers);
      return;
    }
    take(incoming, host, options).then(
      (call) => call && deliver(call),
      () => incoming.reject(500, 'No Media Port'),
    );
  });
  const { port: actualPort } = agent.addresses[0] as { port: number };
  const account = options.register;
  const unregister =
    account &&
    (await register(agent, account, { transport: 'udp', ...account.registrar }).catch(async (error: unknown) => {
      await agent.stop();
      throw error;
    }));
  return {
    host,
    port: actualPort,
    uri: agent.contactUri(),
    nextCall: () => {
      const call = arrived.shift();
      return call ? Promise.resolve(call) : new Promise((resolve) => waiting.push(resolve));
    },
    async close() {
      await Promise.all([...live].map((call) => call.hangup()));
      await unregister?.();
      await stop(agent);
    },
  };
}

async function stop(agent: UserAgent): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await agent.stop();
}

async function take(incoming: IncomingCall, host: string, options: AnswerCallsOptions): Promise<PhoneCall | undefined> {
  const media = await MediaSession.open({ localHost: host, onDigit: (digit) => call.emit('dtmf', digit) });
  const description = new MediaDescription(media, options.codecs);
  const call: PhoneCall = new PhoneCall({ sipCallId: incoming.callId, media });
  const answer = incoming.sdp === '' ? undefined : description.answer(incoming.sdp);
  if (answer && !answer.ok) {
    incoming.reject(488, undefined, { Warning: `304 ringwire "${answer.error.message.replaceAll('"', "'")}"` });
    await media.close();
    return undefined;
  }
  if (!incoming.isOpen) {
    await media.close();
    return undefined;
  }
  const sdp = answer ? answer.sdp : description.offer();
  incoming.on('failed', () => void call.end('cancelled'));
  call.cancelBy((headers) => {
    incoming.reject(480, undefined, headers);
    void call.end('us');
  });
  ring(incoming, media, sdp, options);
  const { answerAfterMs = 0 } = options;
  if (answerAfterMs === 'never') return call;
  const timer = setTimeout(() => accept(incoming, call, description, sdp, options), answerAfterMs);
  call.once('ended', () => clearTimeout(timer));
  return call;
}

function ring(incoming: IncomingCall, media: MediaSession, sdp: string, { earlyMedia }: AnswerCallsOptions): void {
  if (!earlyMedia) {
    incoming.ring(180);
    return;
  }
  incoming.ring(183, { sdp });
  void media.play(samplesSource(earlyMedia));
}

function accept(
  incoming: IncomingCall,
  call: PhoneCall,
  description: MediaDescription,
  sdp: string,
  { play }: AnswerCallsOptions,
): void {
  const dialog = incoming.accept(sdp, { headers: { 'User-Agent': 'Ringwire phone' } });
  if (!dialog) return;
  if (incoming.sdp === '') {
    dialog.once('ack', (ack) => {
      if (ack.body.length > 0) description.accept(ack.bodyText);
    });
  }
  bindDialog(call, dialog, description);
  const source: AudioSource | undefined = play && samplesSource(play);
  if (source) void call.play(source);
}
