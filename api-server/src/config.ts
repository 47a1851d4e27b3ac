import {
  encryptionVars,
  flag,
  httpVars,
  mysqlVars,
  optionalText,
  privateAddresses,
  recordingVars,
  redisVars,
} from '@ringwire/common';

/** Environment of the API server; see `docs/interfaces.md`. */
export const API_SERVER_VARS = {
  ...mysqlVars,
  ...redisVars,
  ...httpVars,
  ...encryptionVars,
  ...recordingVars,
  WORKERS: flag({ default: true, doc: 'whether this process also runs the workers that write records' }),
  API_BASE_URL: optionalText({ doc: "public URL of the API: what signatures of vendors' webhooks are checked with" }),
  TRUSTED_PROXY_CIDR: optionalText({
    doc: 'IPv4 networks of our own proxies, whose X-Forwarded-Proto and X-Forwarded-Host are believed',
  }),
  HOOK_ALLOW_PRIVATE: privateAddresses({
    default: false,
    doc: 'which private addresses applications may be at that are asked for the schema of their environment: none, those of the machine itself, or all',
  }),
  SIP_ALLOW_PRIVATE: flag({
    default: false,
    doc: "whether an account's key may give gateways and SIP proxies private and loopback addresses",
  }),
  SIP_CAPTURE_URLS: optionalText({
    doc: 'SIP servers whose last messages go into timelines: edge=http://host:port,core=http://host:port',
  }),
};
