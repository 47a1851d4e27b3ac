import { type Static, type VerbSchema, verb } from '../schema.js';

const schema = verb('leave', 'Leaves the queue (in answer to a waitHook) and goes on with the application.', {});
/** Leaves the queue (in answer to a waitHook) and goes on with the application. */
export interface LeaveSpec extends Static<typeof schema> {}
/** Schema of {@link LeaveSpec}. */
export const leave: VerbSchema<LeaveSpec> = schema;
