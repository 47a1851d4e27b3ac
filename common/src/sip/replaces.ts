/** The dialog whose place an INVITE is to take (RFC 3891 §6.1), as its recipient names the tags. */
export interface Replaces {
  callId: string;
  /** Ours. */
  toTag: string;
  /** The peer's. */
  fromTag: string;
  /** Only a call that is not answered yet is to be taken. */
  earlyOnly: boolean;
}

/** The tags of a dialog as Replaces has them. */
export type DialogTags = Pick<Replaces, 'toTag' | 'fromTag'>;

/** `to-tag=…;from-tag=…` */
export const tagsText = ({ toTag, fromTag }: DialogTags): string => `to-tag=${toTag};from-tag=${fromTag}`;

/** Reads what {@link tagsText} wrote; undefined when it is not that. */
export function parseTags(text: string | undefined): DialogTags | undefined {
  const [, toTag, fromTag] = /^to-tag=([^;\s]+);from-tag=([^;\s]+)$/.exec(text ?? '') ?? [];
  return toTag === undefined || fromTag === undefined ? undefined : { toTag, fromTag };
}

/** The value of a Replaces header. */
export const replacesText = ({ callId, earlyOnly, ...tags }: Replaces): string =>
  `${callId};${tagsText(tags)}${earlyOnly ? ';early-only' : ''}`;

/** What a dialog is called where other processes look for it: exactly what its replacement must say. */
export function dialogName({ callId, toTag, fromTag }: Omit<Replaces, 'earlyOnly'>): string {
  return `${callId};to-tag=${toTag};from-tag=${fromTag}`;
}

/** Reads a Replaces header; null for what is none, and for several (drachtio-srf joins them by commas). */
export function parseReplaces(value: string | undefined): Replaces | null {
  if (value === undefined || value.includes(',')) return null;
  const [callId = '', ...rest] = value.split(';').map((part) => part.trim());
  const params = new Map(
    rest.map((param) => {
      const [name = '', text = ''] = param.split('=', 2);
      return [name.trim().toLowerCase(), text.trim()];
    }),
  );
  const toTag = params.get('to-tag') ?? '';
  const fromTag = params.get('from-tag') ?? '';
  if (!/^\S+$/.test(callId) || toTag === '' || fromTag === '') return null;
  return { callId, toTag, fromTag, earlyOnly: params.has('early-only') };
}
