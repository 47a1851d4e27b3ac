import type { ConfigSpec, ListenOptions } from '@ringwire/verb-specs';
import type { SessionCommand } from '../../control/commands.js';
import type { BackgroundTask } from '../../session/background-tasks.js';
import type { ListenSettings } from '../listening/fork-options.js';
import { Listening, listenResult } from '../listening/listening.js';
import type { VerbContext, VerbNeed } from '../verb.js';
import type { ConfigPart } from './part.js';

const TASK = 'listen';

/** The audio fork in the background. */
export const listening: ConfigPart = { properties: ['listen', 'stream'], needs: listenNeeds, apply: configureListen };

/** `config.listen`, also as `config.stream`. */
const optionsOf = ({ listen, stream }: ConfigSpec): ListenOptions | undefined => listen ?? stream;

/** Whether a background fork is to begin, for which there must be media. */
function listenNeeds(spec: ConfigSpec): VerbNeed {
  const options = optionsOf(spec);
  if (!options?.enable || !options.url) return 'nothing';
  return options.earlyMedia ? 'early-media' : 'media';
}

/** Starts the background fork, in the place of the one that runs, or stops it. */
async function configureListen(ctx: VerbContext, spec: ConfigSpec): Promise<void> {
  const options = optionsOf(spec);
  if (!options) return;
  if (!options.enable) {
    await ctx.background.stop(TASK);
    return;
  }
  const { url } = options;
  if (!url) {
    const text = 'config: listen.url is missing, no audio is sent';
    ctx.journal.timeline.error('verb', text);
    ctx.journal.alert('invalid-app-payload', text);
    return;
  }
  await ctx.background.start(TASK, new BackgroundListen(ctx, { ...options, url }));
}

/** A `listen` beside the verbs. When it ends by itself its action hook may answer with verbs, which replace what runs. */
class BackgroundListen implements BackgroundTask {
  readonly #listening: Listening;
  readonly #stopped = new AbortController();

  constructor(
    ctx: VerbContext,
    private readonly settings: ListenSettings,
  ) {
    const listening = new Listening(ctx, ctx.media.endpoint(), settings);
    this.#listening = listening;
    void listening.ended.then(async (end) => {
      await listening.stop();
      if (end.cause === 'stopped') return;
      ctx.background.ended(TASK, this);
      if (settings.actionHook) await ctx.app.interrupt(settings.actionHook, listenResult(end), this.#stopped.signal);
    });
  }

  /** Its server gets a new connection, which says so; a beep was heard already. */
  continuation(): SessionCommand[] {
    const { remainingMs, status } = this.#listening;
    const { playBeep: _, ...settings } = this.settings;
    const listen = {
      ...settings,
      enable: true,
      metadata: { ...settings.metadata, isResumed: true },
      ...(remainingMs !== undefined && { maxLength: Math.max(1, Math.ceil(remainingMs / 1000)) }),
    };
    return [
      { command: 'config', spec: { listen } },
      ...(status === 'resume' ? [] : [{ command: 'listen:status', status } as const]),
    ];
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#listening.stop();
  }
}
