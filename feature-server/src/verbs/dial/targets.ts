import type { DialSpec, HookSpec } from '@ringwire/verb-specs';
import type { DialTarget } from '../../session/dialler.js';
import type { DialledParty } from '../call-dial.js';
import type { VerbContext } from '../verb.js';

/** jambonz calls no more targets than these at once. */
const MAX_TARGETS = 10;

/** Somebody whom a `dial` calls. */
export interface CalledTarget {
  target: DialTarget;
  /** Asked for verbs when he answers, before he is connected. */
  confirmHook?: HookSpec;
  /** Decides, without a hook, whether who answered takes the call. */
  accept?(party: DialledParty, signal: AbortSignal): Promise<boolean>;
  /** Called whenever it is told that he rings. */
  onRinging?(party: DialledParty): void;
}

/** The targets of a `dial` that can be called, each once; the others are reported. */
export function targetsOf(ctx: VerbContext, spec: DialSpec): CalledTarget[] {
  const { timeline } = ctx.journal;
  const targets: CalledTarget[] = [];
  const distinct = new Map(spec.target.map((one) => [JSON.stringify(one), one]));
  if (distinct.size > MAX_TARGETS) {
    timeline.warn('verb', `dial: only the first ${MAX_TARGETS} of ${distinct.size} targets are called`);
  }
  for (const one of [...distinct.values()].slice(0, MAX_TARGETS)) {
    const address = one.type === 'sip' ? one.sipUri : one.type === 'user' ? one.name : one.number;
    if (address === undefined) {
      timeline.warn('verb', `dial: targets of type ${one.type} are not available in this version`);
      continue;
    }
    if (one.auth && one.type !== 'sip') {
      timeline.warn('verb', `dial: auth of a target is for SIP URIs, not for ${one.type}`);
    }
    const proxy = one.proxy ?? spec.proxy;
    const { user, host = spec.fromHost } = one.from ?? {};
    const confirmHook = withMethod(
      one.confirmHook ?? spec.confirmHook,
      one.confirmHook === undefined ? undefined : one.method,
    );
    targets.push({
      ...(confirmHook !== undefined && { confirmHook }),
      target: {
        routing: one.type,
        address,
        headers: textHeaders({ ...spec.headers, ...one.headers }),
        ...(one.trunk !== undefined && { trunk: one.trunk }),
        ...(proxy !== undefined && { proxy }),
        ...(one.auth && one.type === 'sip' && { auth: one.auth }),
        ...(spec.srtpEncryption !== undefined && one.type === 'sip' && { srtp: spec.srtpEncryption }),
        ...(one.overrideTo !== undefined && { overrideTo: one.overrideTo }),
        ...(one.tenant !== undefined && { tenant: one.tenant }),
        ...(one.vmail !== undefined && { vmail: one.vmail }),
        from: { ...(user !== undefined && { user }), ...(host !== undefined && { host }) },
      },
    });
  }
  return targets;
}

/** A target names the method of its hook beside it. */
function withMethod(hook: HookSpec | undefined, method: 'GET' | 'POST' | undefined): HookSpec | undefined {
  if (hook === undefined || method === undefined) return hook;
  return typeof hook === 'string' ? { url: hook, method } : { method, ...hook };
}

function textHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || value === null ? [] : [[name, String(value)]],
    ),
  );
}
