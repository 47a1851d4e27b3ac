import {
  type AddressOfRecord,
  aorText,
  flowUri,
  HttpError,
  type KeptBinding,
  parseAor,
  type Registrations,
  RegistrationsAwayError,
} from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { badField, pathParam } from '../http/input.js';

/** One request asks for so many users with their details. */
const MAX_DETAILS = 1_000;

/** jambonz's words for one user; of several devices those of the first, and all of them as `contacts`. */
function toJson(aor: AddressOfRecord, bindings: readonly KeptBinding[]) {
  const [first] = bindings;
  return {
    name: aorText(aor),
    contact: first?.binding.contact ?? null,
    expiryTime: first?.expiresAt ?? 0,
    protocol: first?.binding.transport ?? null,
    registered_status: first ? 'active' : 'inactive',
    ...(first
      ? {
          proxy: flowUri(first.binding),
          allow_direct_app_calling: first.binding.allowDirectAppCalling,
          allow_direct_queue_calling: first.binding.allowDirectQueueCalling,
          allow_direct_user_calling: first.binding.allowDirectUserCalling,
        }
      : {}),
    contacts: bindings.map(({ binding, expiresAt }) => ({
      contact: binding.contact,
      expiryTime: expiresAt,
      protocol: binding.transport,
      proxy: flowUri(binding),
      user_agent: binding.userAgent,
      registered_at: binding.registeredAt,
    })),
  };
}

async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RegistrationsAwayError)
      throw new HttpError(503, 'registrations are not available: redis is away');
    throw error;
  }
}

function namesOf(req: Request): string[] {
  const body: unknown = req.body ?? [];
  const isEmpty = typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).length === 0;
  const names: unknown = isEmpty ? [] : body;
  if (!Array.isArray(names) || names.length > MAX_DETAILS || !names.every((name) => typeof name === 'string')) {
    throw badField('body', `must be an array of at most ${MAX_DETAILS} names`);
  }
  return names;
}

/** `/Accounts/{sid}/RegisteredSipUsers`: who is registered, and where. */
export function registeredUserRoutes(router: Router, { db, registrations }: ApiContext): void {
  const realmOf = async (req: Request, res: Response): Promise<string | null> => {
    const accountSid = pathParam(req, 'sid');
    await requireAccount(db, principalOf(res), accountSid);
    const [row] = await db.query<{ sip_realm: string | null }>('SELECT sip_realm FROM accounts WHERE account_sid = ?', [
      accountSid,
    ]);
    return row?.sip_realm?.toLowerCase() ?? null;
  };
  /** A name with or without the realm of the account; those of other realms are not the account's. */
  const aorOf = (name: string, realm: string): AddressOfRecord | null => {
    const aor = name.includes('@') ? parseAor(name) : { user: name, realm };
    return aor?.realm === realm && aor.user.length <= 64 ? aor : null;
  };
  const usersOf = (from: Registrations, realm: string): Promise<string[]> => orUnavailable(from.usersOf(realm));
  router.get('/Accounts/:sid/RegisteredSipUsers', async (req, res) => {
    const realm = await realmOf(req, res);
    const users = realm === null ? [] : await usersOf(registrations, realm);
    res.json(users.map((user) => aorText({ user, realm: realm ?? '' })));
  });
  router.post('/Accounts/:sid/RegisteredSipUsers', async (req, res) => {
    const realm = await realmOf(req, res);
    const asked = namesOf(req);
    if (realm === null) return void res.json([]);
    const names = asked.length > 0 ? asked : (await usersOf(registrations, realm)).slice(0, MAX_DETAILS);
    const aors = names.flatMap((name) => aorOf(name, realm) ?? []);
    const bindings = await orUnavailable(Promise.all(aors.map((aor) => registrations.bindingsOf(aor))));
    res.json(aors.map((aor, i) => toJson(aor, bindings[i] ?? [])));
  });
  router.get('/Accounts/:sid/RegisteredSipUsers/:name', async (req, res) => {
    const realm = await realmOf(req, res);
    const name = pathParam(req, 'name');
    const aor = realm === null ? null : aorOf(name, realm);
    const bindings = aor ? await orUnavailable(registrations.bindingsOf(aor)) : [];
    if (!aor || bindings.length === 0) throw new HttpError(404, `user ${name} is not registered`);
    res.json(toJson(aor, bindings));
  });
}
