import { RingwireError } from '../errors.js';

/** A certificate could not be fetched; the message says why. */
export class CertificateFetchError extends RingwireError {
  readonly code = 'stir/certificate-fetch';
  override readonly retryable = true;
}
