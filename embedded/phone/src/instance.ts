import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PhoneError } from './errors.js';

/** What the phone needs to know of a running platform; a part of what the launcher writes to `.data/ringwire.json`. */
export interface RunningInstance {
  sip: { host: string; port: number };
  /** `adminKey` also shows calls that were refused before their account was known. */
  api?: { url: string; key: string; adminKey?: string };
  accountSid?: string;
}

/** Where the launcher of this clone describes the running instance. */
export const INSTANCE_FILE = fileURLToPath(new URL('../../../.data/ringwire.json', import.meta.url));

/**
 * Reads the description of the running instance.
 *
 * @throws PhoneError `phone/no-instance` when there is none or it is not understood.
 */
export async function readInstance(file: string = INSTANCE_FILE): Promise<RunningInstance> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new PhoneError(
      'phone/no-instance',
      `no running instance: ${file} cannot be read (npm start writes it)`,
      {},
      { cause },
    );
  }
  const parsed = parseInstance(text);
  if (!parsed) throw new PhoneError('phone/no-instance', `${file} does not describe a running instance`);
  return parsed;
}

function parseInstance(text: string): RunningInstance | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // The caller reports the file by name.
  }
  const { sip, api, accountSid } = (value ?? {}) as Partial<RunningInstance>;
  if (typeof sip?.host !== 'string' || typeof sip.port !== 'number') return undefined;
  return {
    sip: { host: sip.host, port: sip.port },
    ...(typeof api?.url === 'string' && typeof api.key === 'string'
      ? {
          api: {
            url: api.url,
            key: api.key,
            ...(typeof api.adminKey === 'string' ? { adminKey: api.adminKey } : {}),
          },
        }
      : {}),
    ...(typeof accountSid === 'string' ? { accountSid } : {}),
  };
}
