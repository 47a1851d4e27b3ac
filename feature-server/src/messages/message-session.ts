import { deadline } from '@ringwire/common';
import type { VerbSpec } from '@ringwire/verb-specs';
import type { Application } from '../app-client/application.js';
import { CommandDesk } from '../control/command-desk.js';
import { InvalidApplicationError } from '../errors.js';
import { noRooms } from '../rooms/call-rooms.js';
import { BackgroundTasks } from '../session/background-tasks.js';
import type { Journal } from '../session/journal.js';
import { SessionApplication } from '../session/session-application.js';
import type { SessionDefaults } from '../session/session-defaults.js';
import { VerbRunner } from '../session/verb-runner.js';
import type { CallDial } from '../verbs/call-dial.js';
import type { VerbRegistry } from '../verbs/registry.js';
import type { CallMessages, VerbContext } from '../verbs/verb.js';

/** What {@link runMessageVerbs} needs. */
export interface MessageSessionOptions {
  verbs: readonly VerbSpec[];
  application: Application;
  /** Fields of every hook. Keys are camelCase here. */
  payload: Record<string, unknown>;
  defaults: SessionDefaults;
  messages: CallMessages;
  registry: VerbRegistry;
  journal: Journal;
  /** Aborts when the process ends. */
  signal: AbortSignal;
}

/** A message's verbs take no longer: a list that leads back to itself must end. */
const MAX_MS = 120_000;

const noCall = (): never => {
  throw new InvalidApplicationError('a message has no call that this verb could run on');
};

const noDial: CallDial = {
  releasesMedia: false,
  ...{
    call: noCall,
    pathWith: noCall,
    bridge: noCall,
    unbridge: noCall,
    adult: noCall,
    owns: noCall,
    giveAway: noCall,
    adopt: noCall,
    end: noCall,
    handOver: noCall,
  },
  ...{ telephone: undefined, asParty: noCall, publish: noCall, findTalk: noCall },
};

/**
 * Runs the verbs that an application answered a message with. Those that need a call are reported and passed over; `message`, `alert`,
 * `redirect`, `tag` and `pause` do what they always do. Never rejects.
 */
export async function runMessageVerbs(options: MessageSessionOptions): Promise<void> {
  const { application, journal, defaults, messages, registry } = options;
  let customerData: Record<string, unknown> | undefined;
  const app = new SessionApplication({
    application,
    info: { commonPayload: () => ({ ...options.payload, customerData }) },
    journal,
    replace: (verbs) => runner.replace(verbs, { stopCurrent: false }),
    onFailure: () => {},
    onLoop: (reason) => {
      journal.timeline.error('hook', reason);
      journal.alert('invalid-app-payload', reason);
      runner.replace([], { stopCurrent: false });
    },
    reportInvalid: () => {},
  });
  const ctx: VerbContext = {
    call: {
      callSid: '',
      // Whatever wants an unanswered call is passed over.
      isAnswered: true,
      isOver: false,
      facts: () => ({ ...options.payload, customerData }),
      onTransfer: () => {},
      ring: noCall,
      earlyMedia: async () => noCall(),
      mute: async () => noCall(),
      redirect: noCall,
      answer: async () => noCall(),
      hangup: () => runner.replace([], { stopCurrent: false }),
      decline: noCall,
      setRefusal: () => {},
      setCustomerData: (data) => {
        customerData = data;
      },
      setStatusHook: () => {},
      move: async () => false,
    },
    media: {
      endpoint: noCall,
      anchor: async () => noCall(),
      play: async () => noCall(),
      playInTurn: async () => noCall(),
      onDigit: () => () => {},
      onHold: () => () => {},
      resolveSource: async () => noCall(),
      resolveAudioServer: async () => noCall(),
    },
    speech: {
      textsOf: () => [],
      prepare: async () => {},
      sources: async () => noCall(),
      trackSources: async () => noCall(),
    },
    stream: {
      isOpen: false,
      open: noCall,
      close: async () => {},
      interrupt: async () => {},
      clear: async () => {},
      spoken: async () => {},
    },
    hearing: { listen: noCall },
    machines: { detect: async () => noCall() },
    queue: { hasMore: () => runner.hasMore, interrupt: () => {}, expect: () => {} },
    dial: noDial,
    dialog: {
      peerHost: undefined,
      request: async () => noCall(),
      onNotify: () => () => {},
      setRequestHook: () => {},
      setReferHook: () => {},
    },
    app,
    defaults,
    journal,
    bots: { post: noCall, base: noCall },
    messages,
    commands: new CommandDesk(),
    background: new BackgroundTasks(),
    events: { status: () => {} },
    recorder: { state: 'off', obey: async () => noCall(), onAnswered: async () => {} },
    nested: { run: async () => noCall() },
    rooms: noRooms,
  };
  const signal = AbortSignal.any([options.signal, deadline(MAX_MS)]);
  const runner = new VerbRunner({
    ctx,
    registry,
    signal,
    async ensure(need, prepare) {
      if (need !== 'nothing') noCall();
      await prepare;
    },
  });
  runner.replace(options.verbs, { stopCurrent: false });
  await runner.run().catch((err: unknown) => journal.log.warn({ err }, 'verbs of a message failed'));
}
