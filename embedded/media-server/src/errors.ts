// Not the package's index: media threads load this file, and the index loads database and web server.
import { RingwireError } from '@ringwire/common/errors.js';

/** Flags that cannot be used: all problems in one message. */
export class UsageError extends RingwireError {
  readonly code = 'media-server/usage';
}

/** No media could be set up for a new channel. */
export class MediaUnavailableError extends RingwireError {
  readonly code = 'media-server/media-unavailable';
  override readonly retryable = true;
}

/** A path that needs more new folders than are made for it. */
export class TooManyFoldersError extends RingwireError {
  readonly code = 'media-server/too-many-folders';
}

/** A file or URL that cannot be played: not there, too large, too slow, not a known audio format. */
export class UnplayableFileError extends RingwireError {
  readonly code = 'media-server/unplayable-file';
}
