import type { ListenOptions, ListenSpec } from '@ringwire/verb-specs';
import type { AudioServerAddress } from '../../media/audio-server-url.js';
import type { ForkOptions } from '../../media/forks.js';

/** What `listen` says of its audio, as verb, inside `dial`, or in `config`. */
export type ListenSettings = Omit<ListenSpec, 'verb' | 'id' | 'url'> & { url: string; id?: string } & Pick<
    ListenOptions,
    'enable'
  >;

const DEFAULT_RATE_HZ = 8_000;
const MAX_RATE_HZ = 64_000;

/** An application asks for what cannot be. */
export class ListenSettingsError extends Error {
  override readonly name = 'ListenSettingsError';
}

/**
 * The fork that a `listen` asks for.
 * @param facts - the call's fields, for the first text frame
 * @throws ListenSettingsError
 */
export function forkOptionsOf(
  settings: ListenSettings,
  address: AudioServerAddress,
  facts: Readonly<Record<string, unknown>>,
): ForkOptions {
  const mixType = settings.mixType ?? 'mono';
  const sampleRate = rateOf('sampleRate', settings.sampleRate) ?? DEFAULT_RATE_HZ;
  const back = bidirectionalOf(settings);
  const auth = settings.wsAuth ?? settings.auth ?? address.auth;
  return {
    url: address.url,
    ...(address.addresses && { addresses: address.addresses }),
    mixType,
    sampleRate,
    metadata: { sampleRate, mixType, ...facts, ...settings.metadata },
    ...(back && { bidirectional: back }),
    ...(auth && { auth: { username: auth.username, password: auth.password } }),
  };
}

/** `playAudio` unless something else is asked for. */
function bidirectionalOf(settings: ListenSettings): ForkOptions['bidirectional'] {
  const { enabled = true, streaming = false, sampleRate } = settings.bidirectionalAudio ?? {};
  if (!enabled || settings.disableBidirectionalAudio) return undefined;
  const rate = rateOf('bidirectionalAudio.sampleRate', sampleRate) ?? DEFAULT_RATE_HZ;
  return { streaming, sampleRate: rate };
}

function rateOf(field: string, rate: number | undefined): number | undefined {
  if (rate === undefined) return undefined;
  if (rate > 0 && rate <= MAX_RATE_HZ && rate % 8_000 === 0) return rate;
  throw new ListenSettingsError(`${field} must be a multiple of 8000 up to ${MAX_RATE_HZ}, not ${rate}`);
}
