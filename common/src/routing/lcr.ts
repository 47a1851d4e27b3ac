import { compileExpression } from '../provisioning/number-pattern.js';
import type { Lcr, LcrCarrierSetEntry, LcrRoute, ProvisioningRows } from '../provisioning/rows.js';
import type { SkippedRow } from '../provisioning/snapshot.js';

/** A route ready to be matched, with its carriers in the order of their priorities. */
export interface CompiledRoute {
  readonly route: LcrRoute;
  /** Length of its prefix; 0 for a regular expression. */
  readonly prefixLength: number;
  readonly entries: readonly LcrCarrierSetEntry[];
}

interface ExpressionRoute extends CompiledRoute {
  matches(number: string): boolean;
}

/** Lower priorities first; of equals the longer prefix, then expressions; the sid last, so that the order never depends on chance. */
const inOrder = (a: CompiledRoute, b: CompiledRoute): number =>
  a.route.priority - b.route.priority ||
  b.prefixLength - a.prefixLength ||
  (a.route.lcrRouteSid < b.route.lcrRouteSid ? -1 : 1);

/** One LCR with its routes. Prefixes are found by the number's own beginnings, whatever their count; expressions one by one. */
export class CompiledLcr {
  readonly #byPrefix = new Map<string, CompiledRoute[]>();
  readonly #expressions: ExpressionRoute[] = [];
  #longestPrefix = 0;

  constructor(
    readonly lcr: Lcr,
    /** Takes what no route matches. */
    readonly defaultEntry: LcrCarrierSetEntry | undefined,
  ) {}

  /** Adds a route; a regular expression that cannot be used is reported instead. */
  add(route: LcrRoute, entries: readonly LcrCarrierSetEntry[], problems: SkippedRow[]): void {
    const prefix = /^\+?(\d+)\*?$/.exec(route.regex)?.[1];
    if (prefix !== undefined) {
      const known = this.#byPrefix.get(prefix);
      const compiled = { route, prefixLength: prefix.length, entries };
      if (known === undefined) this.#byPrefix.set(prefix, [compiled]);
      else known.push(compiled);
      this.#longestPrefix = Math.max(this.#longestPrefix, prefix.length);
      return;
    }
    const compiled = compileExpression(route.regex);
    if (compiled.ok) this.#expressions.push({ route, prefixLength: 0, entries, matches: compiled.matches });
    else problems.push({ table: 'lcr_routes', sid: route.lcrRouteSid, column: 'regex', reason: compiled.reason });
  }

  /** The routes that match a number (without a leading plus), in the order in which they are asked. */
  match(number: string): CompiledRoute[] {
    const matching: CompiledRoute[] = [];
    for (let length = Math.min(number.length, this.#longestPrefix); length > 0; length--) {
      const routes = this.#byPrefix.get(number.slice(0, length));
      if (routes !== undefined) matching.push(...routes);
    }
    for (const route of this.#expressions) if (route.matches(number)) matching.push(route);
    return matching.sort(inOrder);
  }
}

/**
 * Compiles the active LCRs, by the sid of the account or service provider that owns them; of several of one owner the first by sid.
 * What cannot be used is added to `problems`.
 */
export function compileLcrs(
  rows: Pick<ProvisioningRows, 'lcrs' | 'lcrRoutes' | 'lcrCarrierSetEntries'>,
  problems: SkippedRow[],
): Map<string, CompiledLcr> {
  const { lcrs = [], lcrRoutes = [], lcrCarrierSetEntries = [] } = rows;
  const entryBySid = new Map(lcrCarrierSetEntries.map((entry) => [entry.lcrCarrierSetEntrySid, entry]));
  const entriesByRoute = new Map<string, LcrCarrierSetEntry[]>();
  for (const entry of lcrCarrierSetEntries) {
    const entries = entriesByRoute.get(entry.lcrRouteSid);
    if (entries === undefined) entriesByRoute.set(entry.lcrRouteSid, [entry]);
    else entries.push(entry);
  }
  const byOwner = new Map<string, CompiledLcr>();
  const bySid = new Map<string, CompiledLcr>();
  for (const lcr of [...lcrs].sort((a, b) => (a.lcrSid < b.lcrSid ? -1 : 1))) {
    const owner = lcr.accountSid ?? lcr.serviceProviderSid;
    if (!lcr.isActive || owner === null) continue;
    if (byOwner.has(owner)) {
      const column = lcr.accountSid === null ? 'service_provider_sid' : 'account_sid';
      problems.push({ table: 'lcr', sid: lcr.lcrSid, column, reason: 'has another active LCR, which is used' });
      continue;
    }
    const { defaultCarrierSetEntrySid: defaultSid } = lcr;
    const compiled = new CompiledLcr(lcr, defaultSid === null ? undefined : entryBySid.get(defaultSid));
    byOwner.set(owner, compiled);
    bySid.set(lcr.lcrSid, compiled);
  }
  for (const route of lcrRoutes) {
    const entries = [...(entriesByRoute.get(route.lcrRouteSid) ?? [])].sort((a, b) => a.priority - b.priority);
    bySid.get(route.lcrSid)?.add(route, entries, problems);
  }
  return byOwner;
}
