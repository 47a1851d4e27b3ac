import type { Channel } from './channel.js';

/**
 * The beginning of a call that we place, as FreeSWITCH tells it: CHANNEL_OUTGOING, _CREATE and _ORIGINATE, then what the callee answers, and at last that it
 * goes on to execute something.
 */
export class OutgoingProgress {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** There is a call, and its INVITE goes out next. */
  begin(): void {
    const channel = this.#channel;
    channel.emit('CHANNEL_OUTGOING');
    channel.setState('CS_INIT');
    channel.emit('CHANNEL_CREATE');
    channel.emit('CHANNEL_ORIGINATE');
    channel.setState('CS_ROUTING');
    channel.setState('CS_CONSUME_MEDIA');
  }

  /** It rings there: once, and not after early media. */
  ringing(): boolean {
    const channel = this.#channel;
    if (channel.isEnded || channel.callState !== 'DOWN') return false;
    channel.times.progressMs = Date.now();
    channel.emit('CHANNEL_PROGRESS');
    channel.setCallState('RINGING');
    return true;
  }

  /** Media comes before the answer: once. */
  earlyMedia(): boolean {
    const channel = this.#channel;
    if (channel.isEnded || channel.isAnswered || channel.times.progressMediaMs > 0) return false;
    channel.times.progressMediaMs = Date.now();
    channel.setVariable('endpoint_disposition', 'EARLY MEDIA');
    channel.emit('CHANNEL_PROGRESS_MEDIA');
    channel.setCallState('EARLY');
    return true;
  }

  /** The call was taken. */
  answered(): void {
    const channel = this.#channel;
    if (channel.isEnded || channel.isAnswered) return;
    channel.times.answeredMs = Date.now();
    channel.setVariable('endpoint_disposition', 'ANSWER');
    channel.emit('CHANNEL_ANSWER');
    channel.setCallState('ACTIVE');
  }

  /** From now on the callee is who calls us, as in FreeSWITCH when a call that was placed executes something. */
  turnAround(): void {
    const channel = this.#channel;
    const { callerName, callerNumber, calleeName = '', calleeNumber = '' } = channel.profile;
    channel.profile = {
      ...channel.profile,
      callerName: calleeName,
      callerNumber: calleeNumber,
      calleeName: callerName,
      calleeNumber: callerNumber,
      origCallerName: callerName,
      origCallerNumber: callerNumber,
    };
    channel.setVariable('pre_transfer_caller_id_name', callerName);
    channel.setVariable('pre_transfer_caller_id_number', callerNumber);
    channel.emit('CALL_UPDATE', [['Direction', 'RECV']]);
  }
}
