import type { ConfigSpec } from '@ringwire/verb-specs';
import type { VerbContext, VerbNeed } from '../verb.js';

/** What `config` does with some of its properties; one file each. */
export interface ConfigPart {
  /** The properties that it sees to. */
  readonly properties: readonly Exclude<keyof ConfigSpec, 'verb' | 'id' | '_'>[];
  /** What must be true of the call; missing: nothing. Asked only where one of the properties is there. */
  needs?(spec: ConfigSpec): VerbNeed;
  /**
   * Takes effect; called only where one of the properties is there. What starts here and lives on is a task of `ctx.background`.
   * An error is reported, and the other parts take effect nevertheless.
   */
  apply(ctx: VerbContext, spec: ConfigSpec, signal: AbortSignal): Promise<void> | void;
}
