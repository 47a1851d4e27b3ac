import type { VerbSpec } from '@ringwire/verb-specs';
import type { Application } from '../app-client/application.js';
import { CallGoneError } from '../errors.js';
import type { RecognitionService } from '../speech/recognition-service.js';
import type { SpeechService } from '../speech/speech-service.js';
import type { LegVerbs } from '../verbs/call-dial.js';
import type { VerbRegistry } from '../verbs/registry.js';
import type { CallControl, CallMedia, VerbContext } from '../verbs/verb.js';
import { BackgroundTasks } from './background-tasks.js';
import { SessionDialog, type SessionDialogOptions } from './call-dialog.js';
import { SessionEvents } from './call-events.js';
import { SessionHearing } from './call-hearing.js';
import { SessionSpeech } from './call-speech.js';
import type { ChildCall } from './child-calls.js';
import { takeSipRequests } from './live-commands.js';
import { NestedRunner } from './nested-runner.js';
import { SessionApplication } from './session-application.js';
import type { SessionDefaults } from './session-defaults.js';
import { takeSoundCommands } from './sound-commands.js';
import { VerbRunner } from './verb-runner.js';

/** What {@link PlacedLegVerbs} is made of. */
export interface LegVerbsOptions {
  /** Of the call that has placed the leg. */
  parent: VerbContext;
  application: Application;
  child: ChildCall;
  media: CallMedia;
  dialog: SessionDialogOptions['leg'];
  speech: SpeechService;
  recognition: RecognitionService;
  /** The leg's own. */
  defaults: SessionDefaults;
  registry: VerbRegistry;
  /** Whether the leg is gone. */
  isEnded(): boolean;
  end(headers?: Record<string, string>): Promise<void>;
}

/**
 * An answered leg as a call on which verbs run: its own media, call info, timeline, voice and commands, the application of the call that has placed it.
 * What belongs to a call that came in (ringing, refusing, transferring) is missing: the leg is answered.
 */
export class PlacedLegVerbs implements LegVerbs {
  readonly ctx: VerbContext;
  readonly #over = new AbortController();
  readonly #speech: SessionSpeech;
  readonly #background = new BackgroundTasks();
  #runner: VerbRunner | undefined;

  constructor(private readonly options: LegVerbsOptions) {
    const { parent, application, child, media, speech, defaults, registry } = options;
    const { journal, info } = child;
    this.#speech = new SessionSpeech({
      service: speech,
      defaults,
      journal,
      resolveSource: (url) => media.resolveSource(url),
      onError: (error) => application.send('jambonz:error', error),
      signal: this.#over.signal,
    });
    const app = new SessionApplication({
      application,
      info,
      journal,
      replace: (verbs, stopCurrent) => this.#runner?.replace(verbs, { stopCurrent }),
      onFailure: () => {},
      onLoop: (reason) => {
        journal.timeline.error('hook', reason);
        void options.end();
      },
      reportInvalid: (reason) => child.report({ error: 'invalid actionHook response', reason }),
    });
    this.ctx = {
      // What further facets there are is the parent's.
      ...parent,
      call: this.#control(),
      media,
      app,
      speech: this.#speech,
      hearing: new SessionHearing({
        service: options.recognition,
        defaults,
        journal,
        callSid: child.callSid,
        endpoint: () => media.endpoint(),
      }),
      queue: {
        hasMore: () => this.#runner?.hasMore ?? false,
        interrupt: (keepAs) => this.#runner?.interrupt(keepAs),
        expect: (work) => this.#runner?.expect(work),
      },
      dialog: new SessionDialog({
        leg: options.dialog,
        callSid: child.callSid,
        app,
        journal,
        signal: this.#over.signal,
      }),
      defaults,
      journal,
      commands: {
        on: (name, handler) => child.commands.on(name, handler),
        leg: (sid) => parent.commands.leg(sid),
        before: (gate) => parent.commands.before(gate),
      },
      background: this.#background,
      events: new SessionEvents(application, defaults),
      nested: new NestedRunner({ ctx: () => this.ctx, registry, ensure }),
    };
    takeSoundCommands(child.commands, this.ctx, this.#over.signal);
    takeSipRequests(child.commands, this.ctx);
  }

  async run(verbs: readonly VerbSpec[], allowed: readonly VerbSpec['verb'][], signal: AbortSignal): Promise<void> {
    const { registry, child } = this.options;
    const isAllowed = ([name]: [string, unknown]): boolean => (allowed as readonly string[]).includes(name);
    const runner = new VerbRunner({
      ctx: this.ctx,
      registry: Object.fromEntries(Object.entries(registry).filter(isAllowed)),
      signal: AbortSignal.any([signal, this.#over.signal]),
      ensure,
    });
    this.#runner = runner;
    runner.replace(verbs, { stopCurrent: false });
    try {
      await runner.run();
    } catch (err) {
      if (!signal.aborted) child.journal.log.warn({ err }, 'verbs of a leg failed');
    } finally {
      this.#runner = undefined;
    }
  }

  /** The leg is over; never rejects. */
  async close(): Promise<void> {
    this.#over.abort();
    await Promise.allSettled([this.#background.close(), this.#speech.close()]);
  }

  #control(): CallControl {
    const { child, isEnded, end, parent } = this.options;
    return {
      callSid: child.callSid,
      isAnswered: true,
      get isOver() {
        return isEnded();
      },
      facts: () => child.info.commonPayload(),
      onTransfer: () => {},
      ring: () => {},
      earlyMedia: async () => {},
      answer: async () => {
        if (isEnded()) throw new CallGoneError('the leg is over');
      },
      hangup: (reason, headers) => {
        child.journal.timeline.info('sip', `BYE: ${reason}`);
        void end(headers);
      },
      decline: () => {},
      setRefusal: () => {},
      setCustomerData: (data) => {
        child.info.customerData = data;
      },
      setStatusHook: (hook) => parent.call.setStatusHook(hook),
      redirect: (verbs) => this.#runner?.replace(verbs, { stopCurrent: true }),
      move: async () => false,
      mute: (isMuted) => child.mute(isMuted),
    };
  }
}

/** An answered leg with media lacks nothing. */
const ensure = (_need: unknown, prepare: Promise<void>): Promise<void> => prepare;
