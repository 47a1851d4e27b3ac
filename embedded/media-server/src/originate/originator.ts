import type { Channel } from '../channel/channel.js';
import { hangupCauseOf } from '../channel/hangup-causes.js';
import { runApplications, runInline } from '../channel/inline-dialplan.js';
import type { OutgoingProgress } from '../channel/outgoing-progress.js';
import { isTrue } from '../channel/truth.js';
import type { OutgoingResult, OutgoingTarget } from '../sip/outgoing-leg.js';
import type { CallPlan, CallTarget } from './call-url.js';

/** How a call is placed where its variables do not say otherwise. */
export interface OriginateDefaults {
  callerName?: string | undefined;
  callerNumber?: string | undefined;
  timeoutMs: number;
}

/** What a call goes on to when it is there. */
export type Destination =
  | { kind: 'application'; name: string; argument: string }
  | { kind: 'inline'; list: string }
  /** An extension of a dialplan: there is none. */
  | { kind: 'extension' };

/** The channel of the callee that is there, or FreeSWITCH's name of why nobody is. */
export type OriginateResult = { ok: true; uuid: string } | { ok: false; cause: string };

/** Places a call. */
export type PlaceCall = (target: OutgoingTarget) => Promise<OutgoingResult>;

/** A leg that is being called. */
interface Leg {
  channel: Channel;
  progress: OutgoingProgress;
}

type LegResult = { ok: true; leg: Leg } | { ok: false; cause: string };

/** The one profile that there is. */
const PROFILE = 'drachtio_mrf';
/** FreeSWITCH's, for who is not named. */
const DEFAULT_CALLER_NUMBER = '0000000000';
const MAX_TIMEOUT_MS = 24 * 3_600_000;

/** Places calls as `originate` does: rings the callees of a plan and gives the first that is there something to execute. */
export class Originator {
  readonly #place: PlaceCall;

  constructor(place: PlaceCall) {
    this.#place = place;
  }

  /** Resolves when a callee is there (early media counts, unless `ignore_early_media`), or with why nobody is. Never rejects. */
  async originate(plan: CallPlan, destination: Destination, defaults: OriginateDefaults): Promise<OriginateResult> {
    let cause = 'DESTINATION_OUT_OF_ORDER';
    for (const group of plan) {
      const result = await this.#ringAll(group, defaults);
      if (result.ok) {
        begin(result.leg, destination);
        return { ok: true, uuid: result.leg.channel.uuid };
      }
      cause = result.cause;
    }
    return { ok: false, cause };
  }

  /** Rings several at once; the first that is there stays, the others are hung up. */
  async #ringAll(group: readonly CallTarget[], defaults: OriginateDefaults): Promise<LegResult> {
    const legs: Channel[] = [];
    let winner: Leg | undefined;
    let cause = 'DESTINATION_OUT_OF_ORDER';
    await new Promise<void>((resolve) => {
      let open = group.length;
      if (open === 0) resolve();
      for (const target of group) {
        const started = (channel: Channel): void => {
          if (winner) void channel.hangup('LOSE_RACE');
          else legs.push(channel);
        };
        void this.#ring(target, defaults, started).then((result) => {
          if (result.ok) winner ??= result.leg;
          else if (!winner) cause = result.cause;
          if (winner || --open === 0) resolve();
        });
      }
    });
    for (const channel of legs) if (winner && channel !== winner.channel) void channel.hangup('LOSE_RACE');
    return winner ? { ok: true, leg: winner } : { ok: false, cause };
  }

  async #ring(
    target: CallTarget,
    defaults: OriginateDefaults,
    started: (channel: Channel) => void,
  ): Promise<LegResult> {
    const { endpoint, rest, variables } = target;
    if (endpoint === '') return { ok: false, cause: 'DESTINATION_OUT_OF_ORDER' };
    if (endpoint === 'error') return { ok: false, cause: hangupCauseOf(rest).name };
    if (endpoint !== 'sofia') return { ok: false, cause: 'CHAN_NOT_IMPLEMENTED' };
    const slash = rest.indexOf('/');
    const profile = slash < 0 ? rest : rest.slice(0, slash);
    if (profile.toLowerCase() === 'gateway') return { ok: false, cause: 'INVALID_GATEWAY' };
    if (profile !== PROFILE) return { ok: false, cause: 'INVALID_PROFILE' };
    let told = (_progress: Parameters<OutgoingTarget['onProgress']>[0]): void => undefined;
    const placed = await this.#place({
      address: rest.slice(slash + 1).replace(/^sip:/i, ''),
      variables,
      callerName: variables.get('origination_caller_id_name') ?? defaults.callerName ?? '',
      callerNumber: variables.get('origination_caller_id_number') ?? defaults.callerNumber ?? DEFAULT_CALLER_NUMBER,
      onProgress: (progress) => told(progress),
    });
    if (!placed.ok) return placed;
    const { channel } = placed;
    started(channel);
    const enough = new Set(['answered']);
    if (!isTrue(variables.get('ignore_early_media'))) enough.add('early');
    if (isTrue(variables.get('return_ring_ready'))) enough.add('ringing');
    return new Promise((resolve) => {
      const timer = setTimeout(() => void channel.hangup('NO_ANSWER'), timeoutMs(variables, defaults));
      const removeEnd = channel.onEnd(() => {
        clearTimeout(timer);
        resolve({ ok: false, cause: channel.getVariable('hangup_cause') ?? 'NORMAL_CLEARING' });
      });
      told = (progress) => {
        if (!enough.has(progress)) return;
        clearTimeout(timer);
        removeEnd();
        resolve({ ok: true, leg: placed });
      };
    });
  }
}

/** `originate_timeout`, in seconds, or what is said otherwise. */
function timeoutMs(variables: ReadonlyMap<string, string>, defaults: OriginateDefaults): number {
  const seconds = Number.parseInt(variables.get('originate_timeout') ?? variables.get('leg_timeout') ?? '', 10);
  return Math.min(seconds > 0 ? seconds * 1000 : defaults.timeoutMs, MAX_TIMEOUT_MS);
}

function begin({ channel, progress }: Leg, destination: Destination): void {
  if (channel.isEnded) return;
  if (destination.kind === 'extension') {
    void channel.hangup('NO_ROUTE_DESTINATION');
    return;
  }
  progress.turnAround();
  if (destination.kind === 'inline') {
    runInline(channel, destination.list);
    return;
  }
  channel.setState('CS_EXECUTE');
  void runApplications(channel, [[destination.name, destination.argument]]);
}
