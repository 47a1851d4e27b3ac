import { randomUUID } from 'node:crypto';
import { findBadContent, type OutboundMessage, readRecipient, readSender, readUserPart } from '@ringwire/common';
import type { CallMessages, MessageResult } from '../verbs/verb.js';
import type { Outbox, SendOutcome } from './outbox.js';

/** On whose behalf a session sends. */
export interface MessageSender {
  accountSid: string;
  serviceProviderSid: string | null;
  applicationSid: string;
  /** The sid of the session's nth message that names none. @defaultValue made up */
  sidOf?: (count: number) => string;
  /** The user whose message is answered: as the application knows the user, and the address of record. */
  user?: { name: string; aor: string };
}

type MessageWords = Parameters<CallMessages['send']>[0];

/** A session's way to send text messages. */
export class SessionMessages implements CallMessages {
  #count = 0;

  constructor(
    private readonly outbox: Outbox,
    private readonly sender: MessageSender,
  ) {}

  async send(words: MessageWords, waitMs: number, signal: AbortSignal): Promise<MessageResult> {
    this.#count += 1;
    const knownSid = words.messageSid ?? this.sender.sidOf?.(this.#count);
    const messageSid = knownSid ?? randomUUID();
    const checked = this.#check(words, messageSid);
    if (typeof checked === 'string') return { messageSid, messageStatus: 'failure', messageFailureReason: checked };
    const taken = await this.outbox.submit(checked, { isMadeUp: knownSid === undefined });
    if (taken.status === 'refused') {
      return { messageSid, messageStatus: 'system error', messageFailureReason: taken.detail };
    }
    if (waitMs === 0) return { messageSid, messageStatus: 'queued' };
    return { messageSid, ...describe(await this.outbox.outcome(checked, waitMs, signal)) };
  }

  #check(words: MessageWords, messageSid: string): OutboundMessage | string {
    const { accountSid, serviceProviderSid, applicationSid } = this.sender;
    if (words.accountSid !== undefined && words.accountSid !== accountSid)
      return 'account_sid: is not the account of the call';
    // Users may have names that are numbers: an answer goes to who asked.
    const to = words.to === this.sender.user?.name ? this.sender.user.aor : readRecipient(words.to);
    if (to === undefined) return 'to: must be a number, or user@realm of a user of the account';
    const from = to.includes('@') ? readUserPart(words.from) : readSender(words.from);
    if (from === undefined) return 'from: must be a number, or a name of at most 11 letters and digits';
    const text = words.text ?? '';
    const { media, carrier = null } = words;
    const bad = findBadContent({ text, media, carrier });
    if (bad) return `${bad.field}: ${bad.problem}`;
    if (!/^[\w.:-]{1,64}$/.test(messageSid)) return 'message_sid: must be at most 64 letters, digits, and . : _ -';
    return {
      messageSid,
      accountSid,
      serviceProviderSid,
      applicationSid,
      from,
      to,
      text,
      media,
      carrier,
      statusHook: null,
      createdAt: Date.now(),
    };
  }
}

/** jambonz's words for what became of a message (compat 1.3.22); `queued` is ours. */
function describe(outcome: SendOutcome): Omit<MessageResult, 'messageSid'> {
  switch (outcome.status) {
    case 'queued':
      return { messageStatus: 'queued' };
    case 'refused':
      return { messageStatus: 'system error', messageFailureReason: outcome.detail };
    case 'sent':
      return { messageStatus: 'success', ...carrierOf(outcome) };
    case 'failed': {
      const messageStatus =
        outcome.reason === 'no-carrier'
          ? 'no carriers'
          : outcome.reason === 'carrier-configuration'
            ? 'smpp configuration error'
            : 'failure';
      const reason = [outcome.reason, outcome.detail].filter((part) => part !== null).join(': ');
      return { messageStatus, messageFailureReason: reason, ...carrierOf(outcome) };
    }
  }
}

const carrierOf = ({
  carrier,
  carrierMessageIds: [first],
}: {
  carrier: string | null;
  carrierMessageIds: readonly string[];
}) => ({
  ...(carrier !== null && { carrier }),
  ...(first !== undefined && { carrierMessageId: first }),
});
