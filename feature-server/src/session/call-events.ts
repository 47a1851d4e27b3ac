import type { VerbSpec } from '@ringwire/verb-specs';
import type { Application } from '../app-client/application.js';
import type { CallEvents, VerbEvent } from '../verbs/verb.js';
import type { SessionDefaults } from './session-defaults.js';

/** `verb:status` messages (compat 3.2), while `config.notifyEvents` is on. */
export class SessionEvents implements CallEvents {
  constructor(
    private readonly application: Application,
    private readonly defaults: Pick<SessionDefaults, 'notifiesEvents'>,
  ) {}

  status(
    { verb, id }: { verb?: string; id?: string },
    event: VerbEvent | 'starting' | 'finished',
    fields: Record<string, unknown> = {},
  ): void {
    if (!this.defaults.notifiesEvents) return;
    // Whole verbs are `name`d, what happens within them says of which `verb` (the published schema).
    const key = event === 'starting' || event === 'finished' ? 'name' : 'verb';
    this.application.send('verb:status', {
      event,
      ...(id !== undefined && { id }),
      ...(verb && { [key]: verb }),
      ...fields,
    });
  }

  /** Of a whole verb. */
  readonly onStatus = (spec: VerbSpec, event: 'starting' | 'finished'): void => this.status(spec, event);
}
