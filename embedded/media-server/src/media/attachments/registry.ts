import type { Attachment, AttachmentContext } from '../attachment.js';
import type { HeardDigit } from '../detectors/dtmf-detector.js';
import { InbandDtmf } from './inband-dtmf.js';
import { type RecordEvent, Recorder, type RecordSpec } from './recorder.js';

/**
 * Every kind of attachment: what it is made from, what it may be told, what it reports. To add one: a file beside this one, a line
 * here and a line in {@link FACTORIES}.
 */
export interface AttachmentTypes {
  inbandDtmf: { spec: object; message: never; event: HeardDigit };
  record: { spec: RecordSpec; message: never; event: RecordEvent };
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
  inbandDtmf: (_spec, context) => new InbandDtmf(context),
  record: (spec, context) => new Recorder(spec, context),
};

/** Makes an attachment. */
export function createAttachment<K extends AttachmentKind>(
  spec: AttachmentSpec<K>,
  context: AttachmentContext<AttachmentEvent<K>>,
): Attachment {
  const create = FACTORIES[spec.kind as K];
  return create(spec, context);
}
