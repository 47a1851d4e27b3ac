import type { Attachment, AttachmentContext } from '../attachment.js';
import type { HeardDigit } from '../detectors/dtmf-detector.js';
import { AnsweringMachine, type AnsweringMachineEvent, type AnsweringMachineSpec } from './answering-machine.js';
import { type DisplaceEvent, Displacer, type DisplaceSpec } from './displacer.js';
import { Dub, type DubMessage, type DubSpec } from './dub.js';
import type { DubEvent } from './dub-track.js';
import { ForkTap, type ForkTapSpec } from './fork-tap.js';
import { InbandDtmf } from './inband-dtmf.js';
import { type RecordEvent, Recorder, type RecordMessage, type RecordSpec } from './recorder.js';
import { SilenceWait, type SilenceWaitEvent, type SilenceWaitSpec } from './silence-wait.js';
import { ToneWatch, type ToneWatchEvent, type ToneWatchSpec } from './tone-watch.js';
import { VoiceActivity, type VoiceActivityEvent, type VoiceActivitySpec } from './voice-activity.js';

/**
 * Every kind of attachment: what it is made from, what it may be told, what it reports. To add one: a file beside this one, a line
 * here and a line in {@link FACTORIES}.
 */
export interface AttachmentTypes {
  displace: { spec: DisplaceSpec; message: never; event: DisplaceEvent };
  dub: { spec: DubSpec; message: DubMessage; event: DubEvent };
  answeringMachine: { spec: AnsweringMachineSpec; message: never; event: AnsweringMachineEvent };
  silenceWait: { spec: SilenceWaitSpec; message: never; event: SilenceWaitEvent };
  toneWatch: { spec: ToneWatchSpec; message: never; event: ToneWatchEvent };
  voiceActivity: { spec: VoiceActivitySpec; message: never; event: VoiceActivityEvent };
  inbandDtmf: { spec: object; message: never; event: HeardDigit };
  record: { spec: RecordSpec; message: RecordMessage; event: RecordEvent };
  fork: { spec: ForkTapSpec; message: never; event: never };
}

/** Name of a kind. */
export type AttachmentKind = keyof AttachmentTypes;

/** What an attachment of a kind is made from: plain data, it crosses to the media thread. */
export type AttachmentSpec<K extends AttachmentKind = AttachmentKind> = {
  [P in K]: { kind: P } & AttachmentTypes[P]['spec'];
}[K];

/** What an attachment may be told. */
export type AttachmentMessage<K extends AttachmentKind = AttachmentKind> = AttachmentTypes[K]['message'];

/** What an attachment reports. */
export type AttachmentEvent<K extends AttachmentKind = AttachmentKind> = AttachmentTypes[K]['event'];

type Factories = {
  [K in AttachmentKind]: (spec: AttachmentSpec<K>, context: AttachmentContext<AttachmentEvent<K>>) => Attachment;
};

const FACTORIES: Factories = {
  answeringMachine: (spec, context) => new AnsweringMachine(spec, context),
  silenceWait: (spec, context) => new SilenceWait(spec, context),
  toneWatch: (spec, context) => new ToneWatch(spec, context),
  voiceActivity: (spec, context) => new VoiceActivity(spec, context),
  inbandDtmf: (_spec, context) => new InbandDtmf(context),
  record: (spec, context) => new Recorder(spec, context),
  displace: (spec, context) => new Displacer(spec, context),
  dub: (spec, context) => new Dub(spec, context),
  fork: (spec) => new ForkTap(spec),
};

/** Makes an attachment. */
export function createAttachment<K extends AttachmentKind>(
  spec: AttachmentSpec<K>,
  context: AttachmentContext<AttachmentEvent<K>>,
): Attachment {
  const create = FACTORIES[spec.kind as K];
  return create(spec, context);
}
