import { encryptionVars, flag, httpVars, mysqlVars, redisVars } from '@ringwire/common';

/** Environment of the API server; see `docs/interfaces.md`. */
export const API_SERVER_VARS = {
  ...mysqlVars,
  ...redisVars,
  ...httpVars,
  ...encryptionVars,
  WORKERS: flag({ default: true, doc: 'whether this process also runs the workers that write records' }),
};
