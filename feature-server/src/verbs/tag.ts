import type { TagSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** Replaces the call's customer data. */
export const tag: Verb<TagSpec> = {
  needs: () => 'nothing',
  async run({ call }, { data }) {
    call.setCustomerData(data as Record<string, unknown>);
  },
};
