/**
 * Every Redis key that Ringwire uses, in one place. Redis is the present: all keys expire or are removed with the thing
 * they describe, and losing them loses no business record.
 */

/** Set of instance ids of feature servers that may be alive; truth is in {@link featureServerKey}, which expires. */
export const FEATURE_SERVERS = 'ringwire:feature-servers';
/** JSON {@link FeatureServerInfo}, refreshed every {@link HEARTBEAT_MS}, expires after {@link HEARTBEAT_TTL_MS}. */
export const featureServerKey = (instanceId: string): string => `ringwire:feature-server:${instanceId}`;

/** Set of instance ids of edges (sbc-inbound, sbc-outbound) that may be alive. */
export const SBCS = 'ringwire:sbcs';
/** JSON {@link SbcInfo}, refreshed and expiring like a feature server's. */
export const sbcKey = (instanceId: string): string => `ringwire:sbc:${instanceId}`;

/** Channel on which those of a set of instances say that they begin, have changed or end; the text is the instance's id. */
export const instancesChangedChannel = (setKey: string): string => `${setKey}:changed`;

/** Hash of one live call (fields of jambonz's call info in camelCase, `owner`, `featureServer`); removed at its end. */
export const callKey = (callSid: string): string => `ringwire:call:${callSid}`;
/** JSON {@link DialogHolder}: who has the dialog with the outside of that name (`dialogName`); expires and is removed with its call. */
export const dialogHolderKey = (name: string): string => `ringwire:dialog:${name}`;
/**
 * Tag of the process that is to take the INVITE with Replaces which the SIP server at `from` passes on, of that user to that Request-URI; removed when it is
 * read, or after seconds.
 */
export const takeoverRouteKey = ({ from, user, uri }: { from: string; user: string; uri: string }): string =>
  `ringwire:takeover-route:${from} ${user} ${uri}`;
/**
 * Sorted set of live call sids of an account; score = ms since the epoch at which the member stops counting unless its
 * owner refreshes it, so that a crashed owner never leaks a count.
 */
export const activeCallsKey = (accountSid: string): string => `ringwire:active-calls:${accountSid}`;
/**
 * Sorted set of the calls that count against a limit, for one account, application or service provider; scored like
 * {@link activeCallsKey}, by the clock of Redis. Keys of one service provider share a hash slot: one script takes all of them.
 */
export const callPlacesKey = (serviceProviderSid: string, direction: string, scope: string, sid: string): string =>
  `ringwire:call-places:{${serviceProviderSid}}:${direction}:${scope}:${sid}`;
/** Exists while an alert about this limit is fresh; in the slot of its counts. */
export const limitToldKey = (serviceProviderSid: string, scope: string, sid: string): string =>
  `ringwire:limit-told:{${serviceProviderSid}}:${scope}:${sid}`;
/**
 * What the toll-fraud guard counts of an account: `calls` and `messages` (sorted sets of its calls and messages out, by time), `prefixes` (of the expensive prefixes that it
 * called), `block` (why it may not call out, since when, until when; expires with the block), `told` (exists while an alert is fresh). Those of
 * one service provider share a hash slot.
 */
export const fraudKey = (
  serviceProviderSid: string,
  accountSid: string,
  what: 'calls' | 'messages' | 'prefixes' | 'block' | 'told',
): string => `ringwire:fraud-${what}:{${serviceProviderSid}}:${accountSid}`;
/** Set of accounts of a service provider that may be blocked; truth is in the block of {@link fraudKey}. */
export const fraudBlocksKey = (serviceProviderSid: string): string => `ringwire:fraud-blocks:{${serviceProviderSid}}`;
/** Set of instance ids that have, or had, calls in a {@link ledgerKey} hash. */
export const LEDGER_OWNERS = 'ringwire:fs-call-owners';
/** Hash of a feature server's live calls: call sid → what another one must know to send the last call-status hook, as JSON. Gone when its last call is. */
export const ledgerKey = (instanceId: string): string => `ringwire:fs-calls:${instanceId}`;
/** Set of instance ids of feature servers that an edge takes for dead; others look, and report their calls. */
export const SUSPECTED_FEATURE_SERVERS = 'ringwire:fs-suspects';
/** Exists for an hour when another one has taken it on itself to report a call's end: its own feature server, should it live, says nothing more of it. */
export const ledgerReportedKey = (callSid: string): string => `ringwire:fs-call-reported:${callSid}`;
/** Who has taken a moved call over from another feature server, for a minute: a question that is asked again is answered alike. */
export const ledgerTakenKey = (callSid: string): string => `ringwire:ledger-taken:${callSid}`;
/** The status in which a live call was taken out of the list; it is shown again with its next one. Its ledger entry stays: the platform needs it. */
export const hiddenCallKey = (callSid: string): string => `ringwire:hidden-call:${callSid}`;
/** Held by the instance that is reporting a dead instance's calls. */
export const ledgerLockKey = (instanceId: string): string => `ringwire:fs-calls-lock:${instanceId}`;
/**
 * Hash of what was counted at gateways in ten seconds (`bucket`: ms since the epoch / 10,000): `<sip_gateway_sid>:<letter>` → count.
 * Expires when it is out of the window.
 */
export const gatewayHealthKey = (bucket: number): string => `ringwire:gateway-health:${bucket}`;
/** Hash of gateways that processes have taken out: `<sip_gateway_sid>:<process>` → JSON of a `CircuitReport`, which says until when it counts. */
export const CIRCUIT_REPORTS = 'ringwire:gateway-circuits';
/**
 * Set of banned source networks, addresses without prefix length; truth is in {@link banKey}, which expires. drachtio-server can drop what comes from
 * the addresses by itself (`--blacklist-redis-key`).
 */
export const BANS = 'ringwire:bans';
/** JSON of one ban, expires with it. */
export const banKey = (network: string): string => `ringwire:ban:${network}`;
/** Exists while a source is known, since a call of it was let in or somebody registered from there; it is not banned then. */
export const knownSourceKey = (network: string): string => `ringwire:known-source:${network}`;
/** Pub/sub channel: a ban was made or lifted, as JSON. */
export const BANS_CHANGED = 'ringwire:bans-changed';
/** Secret that the nonces of digest challenges are made with, in hexadecimal digits; expires when no process reads it for a week. */
export const DIGEST_SECRET = 'ringwire:digest-secret';
/** Bits: the counts with which a nonce has been used. Expires after the nonce. */
export const nonceCountKey = (nonce: string): string => `ringwire:digest-nonce:${nonce}`;
/**
 * Hash of the carriers that may call from an address because we are registered there: carrier sid → unix seconds until when. Named as in
 * jambonz; written by whoever registers trunks.
 */
export const temporaryGatewaysKey = (ip: string): string => `eph-gw-ip:${ip}`;
/** Hash of what edges say of a gateway after each OPTIONS: instance id → JSON. Expires when nobody pings it. */
export const gatewayPingsKey = (sipGatewaySid: string): string => `ringwire:gateway-pings:{${sipGatewaySid}}`;
/** Hash of what they say together: `state` (`up`, `down`) and `sinceMs`; expires with the reports. */
export const gatewayPingStateKey = (sipGatewaySid: string): string => `ringwire:gateway-ping-state:{${sipGatewaySid}}`;
/** Instance id of the process that registers us at carriers; expires when it stops renewing. */
export const TRUNK_REGISTRAR = 'ringwire:trunk-registrar';
/** JSON of how the registration over one gateway stands; expires when nobody keeps it. */
export const trunkRegistrationKey = (sipGatewaySid: string): string => `ringwire:trunk-registration:${sipGatewaySid}`;
/**
 * Hash of where a user can be reached (address of record, RFC 3261 §10): binding id → `<expires, ms> <CSeq> <Call-ID> <binding as JSON>`. Expires
 * with its last binding. Keys of one realm share a hash slot: one script writes both.
 */
export const bindingsKey = (realm: string, user: string): string => `ringwire:bindings:{${realm}}:${user}`;
/** Sorted set of the users of a realm who are registered; score: until when, ms since the epoch. */
export const registeredUsersKey = (realm: string): string => `ringwire:registered:{${realm}}`;
/** Exists while Redis holds what an sbc-inbound process has registered; missing after Redis lost its data. */
export const registrarKey = (instanceId: string): string => `ringwire:registrar:${instanceId}`;
/** JSON of what became of a text message, for whoever waits for it; expires after minutes. Named by account and sid. */
export const messageOutcomeKey = (id: string): string => `ringwire:message-outcome:${id}`;
/** Hash of the parts of a long text message that have come so far; removed with the last, or after an hour. */
export const messagePartsKey = (id: string): string => `ringwire:message-parts:${id}`;
/** Sorted set of the keys of long text messages of an account, or a shared carrier, whose parts are not all there; score: when they are forgotten, ms since the epoch. */
export const openPartsKey = (owner: string): string => `ringwire:message-parts-open:${owner}`;
/**
 * Hash of one conference: `featureServer`, `sipAddress` and `startedAt` of the one that has it, `m:<call sid>` → JSON of a member. Expires when that one renews
 * it no more. Keys of one account's rooms and queues share a hash slot: one script writes several.
 */
export const conferenceKey = (accountSid: string, name: string): string =>
  `ringwire:conference:{${accountSid}}:${name}`;
/** Sorted set of the names of an account's conferences; score: when they are forgotten, ms since the epoch. */
export const conferencesKey = (accountSid: string): string => `ringwire:conferences:{${accountSid}}`;
/** Sorted set of the calls that wait for a conference to start; scored likewise. */
export const conferenceWaitersKey = (accountSid: string, name: string): string =>
  `ringwire:conference-waiters:{${accountSid}}:${name}`;
/** Pub/sub channel: the conference was started. */
export const conferenceChannel = (accountSid: string, name: string): string =>
  `ringwire:conference-started:${accountSid}:${name}`;
/** Sorted set of who waits in a queue, `<arrival, ms>-<number>-<call sid>`, by priority and then arrival. */
export const queueKey = (accountSid: string, name: string): string => `ringwire:queue:{${accountSid}}:${name}`;
/**
 * Hash of what is known of those: `n` (the last number), `o:<call sid>` (its member of {@link queueKey}), `c:<call sid>` (by whom it is being taken, and until
 * when).
 */
export const queueCallsKey = (accountSid: string, name: string): string =>
  `ringwire:queue-calls:{${accountSid}}:${name}`;
/** Sorted set of the same calls; score: when they are forgotten unless their feature server renews them, ms since the epoch by the clock of Redis. */
export const queueAliveKey = (accountSid: string, name: string): string =>
  `ringwire:queue-alive:{${accountSid}}:${name}`;
/** Set of the names of an account's queues that may hold somebody. */
export const queuesKey = (accountSid: string): string => `ringwire:queues:{${accountSid}}`;
/** Pub/sub channel: somebody came, or is being taken: JSON of a `QueueNews`. */
export const queueChannel = (accountSid: string, name: string): string => `ringwire:queue-news:${accountSid}:${name}`;
/** JSON of a call on its way to another feature server; removed when it is taken, or after 30 s. */
export const movedCallKey = (id: string): string => `ringwire:moved-call:${id}`;
/** Pub/sub channel: provisioning data changed, reload the snapshot. Message: name of the table. */
export const PROVISIONING_CHANGED = 'ringwire:provisioning-changed';
/** Pub/sub channel: who has loaded all changes so far is to say so. Message: id of who asks, a blank, and what is to be said. */
export const PROVISIONING_ASKED = 'ringwire:provisioning-asked';
/** Pub/sub channel of one who asks: a process has loaded all changes. Message: what it was asked to say. */
export const provisioningLoadedChannel = (id: string): string => `ringwire:provisioning-loaded:${id}`;

/** How often a process renews what it says of itself. Smaller costs Redis traffic; larger delays fail-over. */
export const HEARTBEAT_MS = 2_000;
/** After this long without renewal an instance is dead. Three missed heartbeats. */
export const HEARTBEAT_TTL_MS = 6_500;

/** What a feature server says of itself. */
export interface FeatureServerInfo {
  instanceId: string;
  /** `ip:port` of its core SIP server: where an edge sends the INVITE, and the source of INVITEs that go out. */
  sipAddress: string;
  /** Base URL of its internal HTTP interface. */
  httpUrl: string;
  /** Calls in progress. */
  calls: number;
  /** Draining or overloaded servers get no new calls. */
  accepting: boolean;
}

/** What an edge says of itself. */
export interface SbcInfo {
  instanceId: string;
  role: 'inbound' | 'outbound';
  /** `ip:port` on which the edge takes INVITEs from feature servers. */
  privateSipAddress: string;
  calls: number;
  accepting: boolean;
}
