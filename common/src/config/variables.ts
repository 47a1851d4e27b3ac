/** The variables that several processes read, as groups to spread into a specification for `readConfig`. */
import { randomBytes } from 'node:crypto';
import type { MysqlConfig } from '../db/database.js';
import type { RedisConfig } from '../redis/connection.js';
import {
  type ConfigOf,
  integer,
  oneOf,
  optionalSecret,
  optionalText,
  privateAddresses,
  secret,
  text,
} from './read-config.js';

const port = (options: { doc: string; default: number }) => integer({ ...options, min: 0, max: 65535 });

/** `LOG_LEVEL` and `INSTANCE_ID`. */
export const logVars = {
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    doc: 'least severe level that is logged',
  }),
  INSTANCE_ID: text({
    generate: () => randomBytes(4).toString('hex'),
    doc: 'identity of this process in Redis, events and logs',
  }),
};

/** `DRAIN_TIMEOUT_MS`. */
export const lifecycleVars = {
  DRAIN_TIMEOUT_MS: integer({ default: 30_000, min: 0, doc: 'how long live work may take to finish after SIGTERM' }),
};

/** `HTTP_HOST` and `HTTP_PORT`. */
export const httpVars = {
  HTTP_HOST: text({
    default: '127.0.0.1',
    doc: 'address on which the process serves health, metrics and its own HTTP interface',
  }),
  HTTP_PORT: port({ default: 3000, doc: 'port of the HTTP interface; 0 takes a free one' }),
};

/** `MYSQL_*`. */
export const mysqlVars = {
  MYSQL_HOST: text({ doc: 'host of MySQL or MariaDB' }),
  MYSQL_PORT: port({ default: 3306, doc: 'port of MySQL' }),
  MYSQL_USER: text({ doc: 'MySQL user' }),
  MYSQL_PASSWORD: secret({ doc: 'password of the MySQL user' }),
  MYSQL_DATABASE: text({ doc: 'name of the database' }),
};

/** `REDIS_*`. */
export const redisVars = {
  REDIS_HOST: text({ doc: 'host of Redis' }),
  REDIS_PORT: port({ default: 6379, doc: 'port of Redis' }),
  REDIS_USERNAME: optionalText({ doc: 'Redis user' }),
  REDIS_PASSWORD: optionalSecret({ doc: 'password of the Redis user' }),
};

/** `DRACHTIO_*`. */
export const drachtioVars = {
  DRACHTIO_HOST: text({ doc: 'host of the SIP server of this process' }),
  DRACHTIO_PORT: port({ default: 9022, doc: 'control port of the SIP server' }),
  DRACHTIO_SECRET: secret({ default: 'cymru', doc: 'secret of the control port' }),
};

/** `FREESWITCH_*`. */
export const freeswitchVars = {
  FREESWITCH_HOST: text({ doc: 'host of the media server' }),
  FREESWITCH_PORT: port({ default: 8021, doc: "port of the media server's event socket" }),
  FREESWITCH_PASSWORD: secret({ default: 'ClueCon', doc: "password of the media server's event socket" }),
  FREESWITCH_LISTEN_ADDRESS: text({ default: '127.0.0.1', doc: 'address on which the media server connects back' }),
  FREESWITCH_LISTEN_PORT: port({ default: 0, doc: 'port on which the media server connects back; 0 takes a free one' }),
};

/** `ENCRYPTION_SECRET`. */
export const encryptionVars = {
  ENCRYPTION_SECRET: secret({ minLength: 8, doc: 'key material for credentials at rest' }),
};

/** `RECORDINGS_*`: where recordings are kept. */
export const recordingVars = {
  RECORDINGS_DIR: optionalText({ doc: 'folder for recordings of accounts without a bucket of their own' }),
  RECORDINGS_BUCKET: optionalSecret({
    doc: 'bucket for recordings of accounts without one of their own, as JSON in the form of bucket_credential; goes before RECORDINGS_DIR',
  }),
  RECORDINGS_ALLOW_PRIVATE: privateAddresses({
    default: false,
    doc: "which private addresses accounts' buckets may be at: none, `loopback` or all",
  }),
};

/** What {@link mysqlVars} read, as `openDatabase` takes it. */
export const mysqlConfig = (config: ConfigOf<typeof mysqlVars>): MysqlConfig => ({
  host: config.MYSQL_HOST,
  port: config.MYSQL_PORT,
  user: config.MYSQL_USER,
  password: config.MYSQL_PASSWORD,
  database: config.MYSQL_DATABASE,
});

/** What {@link redisVars} read, as `openRedis` takes it. */
export const redisConfig = (config: ConfigOf<typeof redisVars>): RedisConfig => ({
  host: config.REDIS_HOST,
  port: config.REDIS_PORT,
  ...(config.REDIS_USERNAME === undefined ? {} : { username: config.REDIS_USERNAME }),
  ...(config.REDIS_PASSWORD === undefined ? {} : { password: config.REDIS_PASSWORD }),
});
