import { randomUUID } from 'node:crypto';
import { HttpError, type Queryable } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf } from '../auth/authenticate.js';
import { ownerOf, requireSameOwner } from '../carriers/carrier-owner.js';
import { badField, bodyOf, pathParam, queryText, textField } from '../http/input.js';
import { readColumns } from '../rows/columns-input.js';
import { requireRoom } from '../rows/row-caps.js';
import { type Columns, deleteRow, insertRow, type Row, type Table, updateRow } from '../rows/rows-store.js';
import { batchRoutes, entryColumns, LCR_COLUMNS, routeColumns } from './lcr-input.js';
import { clearRoutes, forgetDefault, hasLcr, listEntries, listLcrs, listRoutes, mayCallOver } from './lcr-store.js';

const LCRS: Table = { name: 'lcr', key: 'lcr_sid' };
const ROUTES: Table = { name: 'lcr_routes', key: 'lcr_route_sid' };
const ENTRIES: Table = { name: 'lcr_carrier_set_entry', key: 'lcr_carrier_set_entry_sid' };
/** As in jambonz a route with this priority is the default: its first entry takes what no other route matches. */
const DEFAULT_PRIORITY = 9_999;

const must = (row: Row | undefined, what: string, sid: string): Row => {
  if (row === undefined) throw new HttpError(404, `there is no ${what} ${sid}`);
  return row;
};

/** `/Lcrs`, `/LcrRoutes` and `/LcrCarrierSetEntries`: where calls out of an account, or of all of a service provider's, go (docs/routing.md). */
export function lcrRoutes(router: Router, { db, provisioningChanged }: ApiContext): void {
  const findLcr = async (res: Response, sid: string): Promise<Row> =>
    must((await listLcrs(db, principalOf(res), sid))[0], 'LCR', sid);
  const findRoute = async (res: Response, sid: string): Promise<Row> =>
    must((await listRoutes(db, principalOf(res), { routeSid: sid }))[0], 'LCR route', sid);
  const findEntry = async (res: Response, sid: string): Promise<Row> =>
    must((await listEntries(db, principalOf(res), { entrySid: sid }))[0], 'entry', sid);
  const requireCarrier = async (tx: Queryable, lcrSid: string, columns: Columns, at = ''): Promise<void> => {
    const sid = columns.voip_carrier_sid;
    if (sid !== undefined && !(await mayCallOver(tx, lcrSid, String(sid)))) {
      throw badField(`${at}voip_carrier_sid`, `the owner of the LCR has no carrier ${sid}`);
    }
  };
  const changed = (): Promise<void> => provisioningChanged('lcr');

  router.get('/Lcrs', async (_req, res) => void res.json(await listLcrs(db, principalOf(res))));
  router.post('/Lcrs', async (req, res) => {
    const fields = bodyOf(req);
    const columns = readColumns(fields, LCR_COLUMNS, {
      ignored: ['lcr_sid', 'account_sid', 'service_provider_sid', 'number_routes'],
    });
    if (columns.default_carrier_set_entry_sid != null) {
      throw badField('default_carrier_set_entry_sid', 'must be an entry of the LCR, which has none yet');
    }
    const { accountSid, serviceProviderSid } = await ownerOf(db, principalOf(res), fields);
    if (await hasLcr(db, accountSid, serviceProviderSid)) throw new HttpError(422, 'there is an LCR already');
    const sid = randomUUID();
    const owner: Columns =
      accountSid === null ? { service_provider_sid: serviceProviderSid } : { account_sid: accountSid };
    await insertRow(db, LCRS, { lcr_sid: sid, ...owner, ...columns });
    await changed();
    res.status(201).json({ sid });
  });
  router.get('/Lcrs/:sid', async (req, res) => void res.json(await findLcr(res, pathParam(req, 'sid'))));
  router.put('/Lcrs/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const row = await findLcr(res, sid);
    const fields = bodyOf(req);
    const columns = readColumns(fields, LCR_COLUMNS, {
      ignored: ['lcr_sid', 'account_sid', 'service_provider_sid', 'number_routes'],
    });
    requireSameOwner(fields, row);
    const entrySid = columns.default_carrier_set_entry_sid;
    if (entrySid != null) {
      const found = await listEntries(db, principalOf(res), { lcrSid: sid, entrySid: String(entrySid) });
      if (found.length === 0) throw badField('default_carrier_set_entry_sid', 'must be an entry of the LCR');
    }
    await updateRow(db, LCRS, sid, columns);
    await changed();
    res.sendStatus(204);
  });
  router.delete('/Lcrs/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    await findLcr(res, sid);
    await deleteRow(db, LCRS, sid);
    await changed();
    res.sendStatus(204);
  });

  /** Adds routes with their entries. */
  const addRoutes = async (tx: Queryable, lcrSid: string, body: unknown): Promise<void> => {
    for (const [index, { columns, entries }] of batchRoutes(body).entries()) {
      const routeSid = randomUUID();
      await insertRow(tx, ROUTES, { lcr_route_sid: routeSid, lcr_sid: lcrSid, ...columns });
      for (const [place, entry] of entries.entries()) {
        await requireCarrier(tx, lcrSid, entry, `[${index}].lcr_carrier_set_entries[${place}].`);
        const entrySid = randomUUID();
        await insertRow(tx, ENTRIES, { lcr_carrier_set_entry_sid: entrySid, lcr_route_sid: routeSid, ...entry });
        if (columns.priority !== DEFAULT_PRIORITY || place > 0) continue;
        await updateRow(tx, LCRS, lcrSid, { default_carrier_set_entry_sid: entrySid });
      }
    }
  };
  const batch = (replaces: boolean) => async (req: Request, res: Response) => {
    const sid = pathParam(req, 'sid');
    await findLcr(res, sid);
    await db.transaction(async (tx) => {
      if (replaces) await clearRoutes(tx, sid);
      await addRoutes(tx, sid, req.body);
      await requireRoom(tx, principalOf(res), 'LCR routes', 0);
      await requireRoom(tx, principalOf(res), 'LCR entries', 0);
    });
    await changed();
    res.sendStatus(204);
  };
  router.get('/Lcrs/:sid/Routes', async (req, res) => {
    const sid = pathParam(req, 'sid');
    await findLcr(res, sid);
    const principal = principalOf(res);
    const entries = await listEntries(db, principal, { lcrSid: sid });
    const routes = await listRoutes(db, principal, { lcrSid: sid });
    res.json(
      routes.map((route) => ({
        ...route,
        lcr_carrier_set_entries: entries.filter((entry) => entry.lcr_route_sid === route.lcr_route_sid),
      })),
    );
  });
  router.post('/Lcrs/:sid/Routes', batch(false));
  router.put('/Lcrs/:sid/Routes', batch(true));

  router.get('/LcrRoutes', async (req, res) => {
    const lcrSid = queryText(req, 'lcr_sid');
    res.json(await listRoutes(db, principalOf(res), lcrSid === undefined ? {} : { lcrSid }));
  });
  router.post('/LcrRoutes', async (req, res) => {
    const fields = bodyOf(req);
    const lcrSid = textField(fields, 'lcr_sid', 36);
    const columns = routeColumns(fields);
    for (const field of ['regex', 'priority']) if (columns[field] === undefined) throw badField(field, 'must be given');
    await findLcr(res, lcrSid);
    await requireRoom(db, principalOf(res), 'LCR routes');
    const sid = randomUUID();
    await insertRow(db, ROUTES, { lcr_route_sid: sid, lcr_sid: lcrSid, ...columns });
    await changed();
    res.status(201).json({ sid });
  });
  router.get('/LcrRoutes/:sid', async (req, res) => void res.json(await findRoute(res, pathParam(req, 'sid'))));
  router.put('/LcrRoutes/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const row = await findRoute(res, sid);
    const fields = bodyOf(req);
    if (fields.lcr_sid !== undefined && fields.lcr_sid !== row.lcr_sid) throw badField('lcr_sid', 'cannot be changed');
    await updateRow(db, ROUTES, sid, routeColumns(fields));
    await changed();
    res.sendStatus(204);
  });
  router.delete('/LcrRoutes/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const row = await findRoute(res, sid);
    await db.transaction(async (tx) => {
      await deleteRow(tx, ROUTES, sid);
      await forgetDefault(tx, String(row.lcr_sid));
    });
    await changed();
    res.sendStatus(204);
  });

  router.get('/LcrCarrierSetEntries', async (req, res) => {
    const routeSid = queryText(req, 'lcr_route_sid');
    res.json(await listEntries(db, principalOf(res), routeSid === undefined ? {} : { routeSid }));
  });
  router.post('/LcrCarrierSetEntries', async (req, res) => {
    const fields = bodyOf(req);
    const routeSid = textField(fields, 'lcr_route_sid', 36);
    const columns = entryColumns(fields);
    if (columns.voip_carrier_sid === undefined) throw badField('voip_carrier_sid', 'must be given');
    const route = await findRoute(res, routeSid);
    await requireCarrier(db, String(route.lcr_sid), columns);
    await requireRoom(db, principalOf(res), 'LCR entries');
    const sid = randomUUID();
    await insertRow(db, ENTRIES, { lcr_carrier_set_entry_sid: sid, lcr_route_sid: routeSid, ...columns });
    await changed();
    res.status(201).json({ sid });
  });
  router.get('/LcrCarrierSetEntries/:sid', async (req, res) => {
    res.json(await findEntry(res, pathParam(req, 'sid')));
  });
  router.put('/LcrCarrierSetEntries/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const row = await findEntry(res, sid);
    const fields = bodyOf(req);
    if (fields.lcr_route_sid !== undefined && fields.lcr_route_sid !== row.lcr_route_sid) {
      throw badField('lcr_route_sid', 'cannot be changed');
    }
    const columns = entryColumns(fields);
    const route = await findRoute(res, String(row.lcr_route_sid));
    await requireCarrier(db, String(route.lcr_sid), columns);
    await updateRow(db, ENTRIES, sid, columns);
    await changed();
    res.sendStatus(204);
  });
  router.delete('/LcrCarrierSetEntries/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const row = await findEntry(res, sid);
    const route = await findRoute(res, String(row.lcr_route_sid));
    await db.transaction(async (tx) => {
      await deleteRow(tx, ENTRIES, sid);
      await forgetDefault(tx, String(route.lcr_sid));
    });
    await changed();
    res.sendStatus(204);
  });
}
