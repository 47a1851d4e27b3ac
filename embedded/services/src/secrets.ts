import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of randomness in a generated secret. */
const SECRET_BYTES = 24;
/** Writers of one process queue here; between processes the launcher's instance lock keeps order. */
let turn: Promise<unknown> = Promise.resolve();

async function readSecrets(file: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

async function readOrMake(dataDir: string, names: readonly string[]): Promise<Record<string, string>> {
  const file = join(dataDir, 'secrets.json');
  const secrets = await readSecrets(file);
  const missing = names.filter((name) => secrets[name] === undefined);
  if (missing.length > 0) {
    for (const name of missing) secrets[name] = randomBytes(SECRET_BYTES).toString('base64url');
    await mkdir(dataDir, { recursive: true });
    await writeFile(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return secrets;
}

/**
 * The named secrets of an installation: read from `secrets.json` (mode 600) of its data directory, generated and kept
 * there the first time. They consist of letters, digits, `-` and `_` only.
 */
export async function keepSecrets<N extends string>(dataDir: string, names: readonly N[]): Promise<Record<N, string>> {
  const mine = turn.then(() => readOrMake(dataDir, names));
  turn = mine.catch(() => undefined);
  const secrets = await mine;
  return Object.fromEntries(names.map((name) => [name, secrets[name] ?? ''])) as Record<N, string>;
}
