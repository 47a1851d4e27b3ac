import type { AlertSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** Writes an alert for the account. */
export const alert: Verb<AlertSpec> = {
  needs: () => 'nothing',
  describe: ({ message }) => message,
  async run({ journal }, { message }) {
    journal.alert('alert-from-application', 'an alert was raised by the application', message);
  },
};
