/** Where an account keeps its recordings, as jambonz' `bucket_credential` has it (compat 5.5). */

/** A label on every object. */
export interface BucketTag {
  Key: string;
  Value: string;
}

/** Amazon S3. */
export interface S3Credential {
  vendor: 'aws_s3';
  /** The bucket. */
  name: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  tags: readonly BucketTag[];
}

/** A server that speaks S3's protocol. */
export interface S3CompatibleCredential extends Omit<S3Credential, 'vendor'> {
  vendor: 's3_compatible';
  /** `https://host[:port]`; the bucket's name is the first part of the path. */
  endpoint: string;
}

/** Google Cloud Storage. */
export interface GoogleCredential {
  vendor: 'google';
  name: string;
  serviceKey: { clientEmail: string; privateKey: string; tokenUri: string };
  /** @defaultValue https://storage.googleapis.com */
  endpoint?: string;
  tags: readonly BucketTag[];
}

/** Azure Blob Storage. */
export interface AzureCredential {
  vendor: 'azure';
  /** The container. */
  name: string;
  /** With an account key or a shared access signature. */
  connectionString: string;
  tags: readonly BucketTag[];
}

/** Any of them. */
export type BucketCredential = S3Credential | S3CompatibleCredential | GoogleCredential | AzureCredential;

/** A credential, or which field of it is wrong. */
export type ParsedCredential =
  | { ok: true; credential: BucketCredential }
  | { ok: false; field: string; reason: string };

/** The fields of each vendor, in jambonz' names; `?` behind those that may be missing. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  aws_s3: ['region', 'name', 'access_key_id', 'secret_access_key'],
  s3_compatible: ['endpoint', 'name', 'access_key_id', 'secret_access_key', 'region?'],
  google: ['name', 'service_key'],
  azure: ['name', 'connection_string'],
};
/** Shown as set, never as they are. */
const SECRETS = ['secret_access_key', 'service_key', 'connection_string'];
const MAX_TAGS = 10;
const MAX_TEXT = 4_000;
const GOOGLE_TOKEN_URI = 'https://oauth2.googleapis.com/token';

class Fault extends Error {
  constructor(
    readonly field: string,
    reason: string,
  ) {
    super(reason);
  }
}

/** Reads a credential with the keys of the REST API; never throws. */
export function parseBucketCredential(value: unknown): ParsedCredential {
  try {
    return { ok: true, credential: read(value) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ok: false, field: error.field, reason: error.message };
  }
}

/** A stored credential with its secrets replaced; undefined for what is none. */
export function maskedCredential(value: unknown, mask: string): Record<string, unknown> | undefined {
  if (!isRecord(value) || !parseBucketCredential(value).ok) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, SECRETS.includes(key) ? mask : inner]));
}

function read(value: unknown): BucketCredential {
  if (!isRecord(value)) throw new Fault('bucket_credential', 'must be an object');
  const vendor = String(value.vendor);
  const fields = FIELDS[vendor];
  if (!fields) throw new Fault('vendor', `must be one of ${Object.keys(FIELDS).join(', ')}`);
  const known = ['vendor', 'tags', ...fields.map((field) => field.replace('?', ''))];
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new Fault(unknown, `is no field of ${vendor}`);
  const text = (field: string): string => {
    const given = value[field];
    if (typeof given !== 'string' || given.trim() === '' || given.length > MAX_TEXT)
      throw new Fault(field, `must be a text of 1 to ${MAX_TEXT} characters`);
    return given.trim();
  };
  const name = text('name');
  if (!/^[\w.$-]+$/.test(name)) throw new Fault('name', 'is no name of a bucket');
  const tags = readTags(value.tags);
  if (vendor === 'google') return { vendor, name, tags, serviceKey: readServiceKey(value.service_key) };
  if (vendor === 'azure') return { vendor, name, tags, connectionString: text('connection_string') };
  const keys = { name, tags, accessKeyId: text('access_key_id'), secretAccessKey: text('secret_access_key') };
  if (vendor === 'aws_s3') return { vendor, ...keys, region: regionOf(text('region')) };
  const region =
    value.region === undefined || value.region === null || value.region === '' ? 'us-east-1' : text('region');
  return { vendor: 's3_compatible', ...keys, region: regionOf(region), endpoint: endpointOf(text('endpoint')) };
}

/** It becomes a part of a host's name. */
function regionOf(region: string): string {
  if (!/^[a-z\d-]{1,40}$/i.test(region)) throw new Fault('region', 'is no name of a region');
  return region;
}

function endpointOf(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search || url.username)
    throw new Fault('endpoint', 'must be https://host or https://host:port');
  return url.origin;
}

/** The key file of a service account, as JSON text or as object. */
function readServiceKey(value: unknown): GoogleCredential['serviceKey'] {
  const field = 'service_key';
  let key = value;
  if (typeof value === 'string') {
    try {
      key = JSON.parse(value);
    } catch {
      throw new Fault(field, 'must be the JSON key of a service account');
    }
  }
  if (!isRecord(key)) throw new Fault(field, 'must be the JSON key of a service account');
  const { client_email: clientEmail, private_key: privateKey, token_uri: tokenUri = GOOGLE_TOKEN_URI } = key;
  if (typeof clientEmail !== 'string' || typeof privateKey !== 'string' || typeof tokenUri !== 'string')
    throw new Fault(field, 'must have client_email and private_key');
  if (!URL.canParse(tokenUri) || !/^https?:$/.test(new URL(tokenUri).protocol))
    throw new Fault(field, 'its token_uri must be a URL');
  return { clientEmail, privateKey, tokenUri };
}

function readTags(value: unknown): BucketTag[] {
  if (value === undefined || value === null) return [];
  const isTag = (tag: unknown): tag is BucketTag =>
    isRecord(tag) && [tag.Key, tag.Value].every((part) => typeof part === 'string' && part.length <= 256);
  if (!Array.isArray(value) || value.length > MAX_TAGS || !value.every(isTag))
    throw new Fault('tags', `must be a list of at most ${MAX_TAGS} of {"Key": text, "Value": text}`);
  return value.map(({ Key, Value }) => ({ Key, Value }));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
