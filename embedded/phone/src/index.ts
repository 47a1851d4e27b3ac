export { authorization, type PhoneAccount } from './account.js';
export { type AnswerCallsOptions, type AnsweringPhone, answerCalls } from './answer-calls.js';
export { type AudioSource, samplesSource, toneSource } from './audio-source.js';
export { PhoneError, UsageError } from './errors.js';
export { type EventStreamOptions, readEventStream } from './event-stream.js';
export { type Arrival, firstSoundMs, type ReceptionStats, SAMPLES_PER_MS } from './heard.js';
export { INSTANCE_FILE, type RunningInstance, readInstance } from './instance.js';
export type { ReceivedDigit } from './media-session.js';
export { type CallResult, type EndedBy, PhoneCall, type PhoneCallEvents, type SeenResponse } from './phone-call.js';
export { type PlaceCallOptions, placeCall } from './place-call.js';
export {
  createTimelinePrinter,
  formatTimelineEntry,
  type PrintableEntry,
  type TimelinePrinter,
  type TimelinePrinterOptions,
} from './timeline-printer.js';
