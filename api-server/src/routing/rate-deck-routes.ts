import {
  CurrencyMismatchError,
  findOwner,
  HttpError,
  type ImportResult,
  importRates,
  listRateDecks,
  OwnerNotFoundError,
  type RateDeckRow,
  removeDeck,
  VersionGoneError,
} from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { forbidden, type Principal } from '../auth/principal.js';
import { badField, pathParam, queryText, queryWord } from '../http/input.js';

/** Larger than a deck of two million rows; more is a mistake, and would take as long as it takes to send. */
const MAX_UPLOAD_BYTES = 256 * 1024 * 1024;

/** Prices that an account may have in all its decks; every edge holds them in memory. */
const MAX_PRICES = 3_000_000;

/** Whose decks a request is about: an account's, or with no account sid a service provider's own. */
interface Owner {
  accountSid?: string;
  serviceProviderSid: string;
}

async function accountOwner({ db }: ApiContext, req: Request, res: Response): Promise<Owner> {
  const accountSid = pathParam(req, 'sid');
  await requireAccount(db, principalOf(res), accountSid);
  return { accountSid, serviceProviderSid: (await serviceProviderOf(db, accountSid)) ?? '' };
}

async function serviceProviderOwner({ db }: ApiContext, req: Request, res: Response): Promise<Owner> {
  const serviceProviderSid = pathParam(req, 'sid');
  const principal = principalOf(res);
  if (principal.scope === 'account') throw forbidden();
  if (principal.scope === 'service_provider' && principal.serviceProviderSid !== serviceProviderSid) throw forbidden();
  const found = await db.query('SELECT 1 FROM service_providers WHERE service_provider_sid = ?', [serviceProviderSid]);
  if (found.length === 0) throw new HttpError(404, `there is no service provider ${serviceProviderSid}`);
  return { serviceProviderSid };
}

const isOwn = (principal: Principal, deck: RateDeckRow): boolean =>
  principal.scope === 'admin' ||
  (principal.scope === 'account'
    ? deck.account_sid === principal.accountSid
    : deck.service_provider_sid === principal.serviceProviderSid);

/** How many prices an account's deck for a carrier may have, beside those of its other decks. */
async function roomForPrices({ db }: ApiContext, accountSid: string, voipCarrierSid: string): Promise<number> {
  const [row] = await db.query<{ count: number | string | null }>(
    `SELECT SUM(v.entry_count) AS count FROM rate_decks d JOIN rate_deck_versions v ON v.version = d.active_version
     WHERE d.account_sid = ? AND d.voip_carrier_sid <> ?`,
    [accountSid, voipCarrierSid],
  );
  return Math.max(0, MAX_PRICES - Number(row?.count ?? 0));
}

/** An import that reads a request's body: cut off when it is too large, or when the client is gone. */
function uploadLimit(req: Request, res: Response): { signal: AbortSignal; onBytes: (bytes: number) => void } {
  const abort = new AbortController();
  const tooLarge = new HttpError(413, `a rate deck may have ${MAX_UPLOAD_BYTES / 1024 / 1024} MB at most`);
  if (Number(req.headers['content-length'] ?? 0) > MAX_UPLOAD_BYTES) throw tooLarge;
  res.once('close', () => {
    if (!res.writableEnded) abort.abort(new HttpError(499, 'the client went away'));
  });
  return {
    signal: abort.signal,
    onBytes: (bytes) => {
      if (bytes > MAX_UPLOAD_BYTES) abort.abort(tooLarge);
    },
  };
}

function answerImport(res: Response, result: ImportResult): void {
  const bad = { bad_row_count: result.badRowCount, bad_rows: result.badRows };
  if (!result.ok) res.status(422).json({ msg: result.reason, ...bad });
  else {
    const { rateDeckSid, version, entryCount } = result;
    res.status(201).json({ sid: rateDeckSid, version, entry_count: entryCount, ...bad });
  }
}

const deckName = (req: Request): string => queryText(req, 'name', 64) ?? 'rates';

function currencyOf(req: Request): string {
  const currency = queryText(req, 'currency', 3) ?? 'USD';
  if (!/^[A-Z]{3}$/.test(currency)) throw badField('currency', 'must be three capital letters, such as USD');
  return currency;
}

function delimiterOf(req: Request): string {
  const delimiter = queryText(req, 'delimiter', 3) ?? ',';
  if (delimiter === 'tab') return '\t';
  if (delimiter.length !== 1 || delimiter === '"') throw badField('delimiter', 'must be one character, or tab');
  return delimiter;
}

/** Errors of an import that are about what the client asked for. */
function asHttpError(err: unknown): unknown {
  if (err instanceof OwnerNotFoundError) return badField('voip_carrier_sid', err.message);
  if (err instanceof CurrencyMismatchError) return badField('currency', err.message);
  return err instanceof VersionGoneError ? new HttpError(409, err.message) : err;
}

/** `…/RateDecks` of accounts and service providers: list, import CSV as it streams in, remove. */
export function rateDeckRoutes(router: Router, context: ApiContext): void {
  const { db, provisioningChanged } = context;
  // An import holds its rows in memory: one at a time bounds what that can be.
  let isImporting = false;

  const importDeck = async (req: Request, res: Response, owner: Owner): Promise<void> => {
    if (req.is('text/csv') === false) throw new HttpError(415, 'the rates must be sent as text/csv');
    const carrier = queryText(req, 'voip_carrier_sid');
    if (carrier === undefined) throw badField('voip_carrier_sid', 'must be given in the query string');
    const options = {
      name: deckName(req),
      currency: currencyOf(req),
      delimiter: delimiterOf(req),
      skipBadRows: queryWord(req, 'skip_bad_rows', ['true', 'false']) === 'true',
    };
    const { accountSid: account, serviceProviderSid } = owner;
    const found = await findOwner(db, { carrier, ...(account === undefined ? {} : { account }), serviceProviderSid });
    const isAccounts = principalOf(res).scope === 'account' && account !== undefined;
    const maxPrices = isAccounts ? await roomForPrices(context, account, found.voipCarrierSid) : undefined;
    const { signal, onBytes } = uploadLimit(req, res);
    if (isImporting) throw new HttpError(503, 'another rate deck is being imported, try again');
    isImporting = true;
    try {
      const result = await importRates({
        ...options,
        ...(maxPrices !== undefined && { maxPrices }),
        db,
        source: req,
        owner: found,
        sourceName: 'REST API',
        signal,
        onProgress: (progress) => {
          if (progress.phase === 'reading') onBytes(progress.bytes);
        },
        onActive: () => provisioningChanged('rate_decks'),
      });
      answerImport(res, result);
    } finally {
      isImporting = false;
    }
  };

  for (const [path, ownerOf] of [
    ['/Accounts/:sid/RateDecks', accountOwner],
    ['/ServiceProviders/:sid/RateDecks', serviceProviderOwner],
  ] as const) {
    router.get(path, async (req, res) => {
      const owner = await ownerOf(context, req, res);
      const decks = await listRateDecks(db, owner);
      // What its service provider pays is not an account's business.
      res.json(decks.filter((deck) => isOwn(principalOf(res), deck)));
    });
    router.post(path, async (req, res) => {
      const owner = await ownerOf(context, req, res);
      await importDeck(req, res, owner).catch((err: unknown) => {
        throw asHttpError(err);
      });
    });
  }
  router.delete('/RateDecks/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const [deck] = await db.query<RateDeckRow>('SELECT * FROM rate_decks WHERE rate_deck_sid = ?', [sid]);
    if (deck === undefined || !isOwn(principalOf(res), deck)) throw new HttpError(404, `there is no rate deck ${sid}`);
    await removeDeck(db, sid);
    await provisioningChanged('rate_decks');
    res.sendStatus(204);
  });
}
