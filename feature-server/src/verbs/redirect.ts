import type { RedirectSpec } from '@ringwire/verb-specs';
import { toHook } from '../app-client/application.js';
import type { Verb } from './verb.js';

/** Asks another URL for the verbs to go on with; status hooks may move with it. */
export const redirect: Verb<RedirectSpec> = {
  needs: () => 'nothing',
  describe: ({ actionHook }) => toHook(actionHook).url,
  async run({ app, call }, spec, signal) {
    if (spec.statusHook !== undefined) call.setStatusHook(toHook(spec.statusHook));
    await app.redirect(spec, signal);
  },
};
