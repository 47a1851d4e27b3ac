import type { LeaveSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** Leaves a queue, in what its wait hook answers (there `NestedVerbs` takes it); anywhere else there is none to leave. */
export const leave: Verb<LeaveSpec> = {
  needs: () => 'nothing',
  async run(ctx) {
    ctx.journal.timeline.warn('verb', 'leave: the call is in no queue');
  },
};
