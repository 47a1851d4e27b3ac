import { type AllowPrivate, AddressGuard as CommonAddressGuard } from '@ringwire/common/http/address-guard.js';
import { HookForbiddenError } from '../errors.js';

/** Keeps hooks away from the operator's own network; says so with {@link HookForbiddenError}. */
export class AddressGuard extends CommonAddressGuard {
  constructor({ allowPrivate }: { allowPrivate: AllowPrivate }) {
    super({
      allowPrivate,
      forbidden: (host) => new HookForbiddenError(`hooks may not reach the private address ${host}`, { host }),
    });
  }
}
