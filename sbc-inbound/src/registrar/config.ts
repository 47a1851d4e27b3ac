import { type ConfigOf, integer } from '@ringwire/common';

/** How long registrations live. */
export const registrarVars = {
  REGISTER_MIN_EXPIRES: integer({
    default: 20,
    min: 1,
    max: 3_600,
    doc: 'shortest registration, in seconds: who asks for less gets 423 and is told this',
  }),
  REGISTER_MAX_EXPIRES: integer({
    default: 3_600,
    min: 1,
    max: 86_400,
    doc: 'longest registration, in seconds; also of those that do not say for how long',
  }),
  REGISTER_NAT_EXPIRES: integer({
    default: 30,
    min: 0,
    max: 3_600,
    doc: 'what a device behind NAT over UDP is granted, in seconds, so that its REGISTERs keep the NAT open; 0: as long as others',
  }),
  REGISTER_CONNECTION_EXPIRES: integer({
    default: 600,
    min: 0,
    max: 86_400,
    doc: 'what a device over TCP or TLS is granted at most, in seconds, so that its REGISTERs keep the connection open; 0: as long as others',
  }),
  REGISTER_PER_MINUTE: integer({
    default: 120,
    min: 0,
    max: 100_000,
    doc: 'REGISTERs with credentials of one user from one address, in a minute; more get 503 with Retry-After; 0: as many as come',
  }),
};

/** How long registrations live. */
export type RegistrarConfig = ConfigOf<typeof registrarVars>;
