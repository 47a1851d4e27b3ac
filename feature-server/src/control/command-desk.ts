import type { CommandName, CommandOf, CommandResult, SessionCommand } from './commands.js';

/** Does a command. What it throws counts as failed. */
export type CommandHandler<N extends CommandName> = (command: CommandOf<N>) => Promise<CommandResult> | CommandResult;

/** Resolves when a command may be done; what it gives back is called when that is done, or refused. */
export type CommandGate = (command: SessionCommand) => Promise<((result: CommandResult) => void) | undefined>;

/** Where a command is taken while a verb, or a background task, can do it. */
export interface CommandTaker {
  /** Takes commands of a name until the returned function is called; the newest taker gets them. */
  on<N extends CommandName>(name: N, handler: CommandHandler<N>): () => void;
  /** The commands for one further leg of the call, one that a `dial` has called: they name its sid. It takes them until it is closed. */
  leg(callSid: string): LegCommands;
  /** Has something done before each command, of the call or of one of its legs; what it throws has the command fail. @returns what ends that */
  before(gate: CommandGate): () => void;
}

/** Where commands for one leg are taken. */
export interface LegCommands {
  on<N extends CommandName>(name: N, handler: CommandHandler<N>): () => void;
  /** Has a command done that does not come by way of the call; never rejects. */
  execute(command: SessionCommand): Promise<CommandResult>;
  /** The leg is gone, and whatever took its commands. */
  close(): void;
}

/** What a command lacks when nobody takes it: told to who sent it. */
const NEEDS: Partial<Record<CommandName, string>> = {
  'redirect:legs': 'no dial is connected',
  'mute:status': 'the call is in no dial and no conference',
  'conf:mute-status': 'the call is in no conference',
  'conf:hold-status': 'the call is in no conference',
  'conf:participant-action': 'the call is in no conference',
  'listen:status': 'no listen is running',
  'transcribe:status': 'no transcription is running',
  whisper: 'the call is in no dial and no listen',
  'media:path': 'no dial is connected',
  'llm:tool-output': 'no llm is running',
  'llm:update': 'no llm is running',
  'tts:tokens': 'no speech stream is open',
  'tts:flush': 'no speech stream is open',
  'tts:clear': 'no speech stream is open',
};

/** Commands of one name that may be under way, or wait for those before them: more would only outlast the patience of who sends them. */
const MOST_UNDER_WAY = 15;

/** The end of a call; and streamed text, which has a bound of its own. */
const NEVER_REFUSED: ReadonlySet<CommandName> = new Set([
  'hangup',
  'call:status',
  'tts:tokens',
  'tts:flush',
  'tts:clear',
]);

/** One call's commands: who takes which at this moment. */
export class CommandDesk implements CommandTaker {
  readonly #takers = new Map<CommandName, CommandHandler<CommandName>[]>();
  readonly #legs = new Map<string, CommandDesk>();
  readonly #gates = new Set<CommandGate>();
  readonly #underWay = new Map<CommandName, number>();

  on<N extends CommandName>(name: N, handler: CommandHandler<N>): () => void {
    const known = handler as unknown as CommandHandler<CommandName>;
    this.#takers.set(name, [...(this.#takers.get(name) ?? []), known]);
    return () => {
      const left = (this.#takers.get(name) ?? []).filter((one) => one !== known);
      if (left.length > 0) this.#takers.set(name, left);
      else this.#takers.delete(name);
    };
  }

  leg(callSid: string): LegCommands {
    const desk = new CommandDesk();
    this.#legs.set(callSid, desk);
    return {
      on: (name, handler) => desk.on(name, handler),
      execute: (command) => desk.execute(command),
      close: () => {
        if (this.#legs.get(callSid) === desk) this.#legs.delete(callSid);
      },
    };
  }

  before(gate: CommandGate): () => void {
    this.#gates.add(gate);
    return () => this.#gates.delete(gate);
  }

  /** Whether one of the call's further legs has this sid. */
  hasLeg(callSid: string): boolean {
    return this.#legs.has(callSid);
  }

  /** Has a command done by its newest taker, of the leg with `legSid` where that is given; refuses it where many of its name are not done yet. Never rejects. */
  async execute(command: SessionCommand, legSid?: string): Promise<CommandResult> {
    const { command: name } = command;
    const before = this.#underWay.get(name) ?? 0;
    if (before >= MOST_UNDER_WAY && !NEVER_REFUSED.has(name))
      return { ok: false, because: 'too many', reason: `${before} commands ${name} of this call are not done yet` };
    let isCounted = false;
    // Those that are done at once do not count, however many of them come together.
    const counting = setImmediate(() => {
      isCounted = true;
      this.#underWay.set(name, (this.#underWay.get(name) ?? 0) + 1);
    });
    try {
      return await this.#execute(command, legSid);
    } finally {
      clearImmediate(counting);
      const left = (this.#underWay.get(name) ?? 0) - (isCounted ? 1 : 0);
      if (left > 0) this.#underWay.set(name, left);
      else this.#underWay.delete(name);
    }
  }

  async #execute(command: SessionCommand, legSid: string | undefined): Promise<CommandResult> {
    const passed: (((result: CommandResult) => void) | undefined)[] = [];
    let result: CommandResult;
    try {
      for (const gate of this.#gates) passed.push(await gate(command));
      result = await this.#do(command, legSid);
    } catch (error) {
      result = { ok: false, because: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
    for (const done of passed) done?.(result);
    return result;
  }

  async #do(command: SessionCommand, legSid: string | undefined): Promise<CommandResult> {
    if (legSid !== undefined) {
      const leg = this.#legs.get(legSid);
      return leg?.execute(command) ?? { ok: false, because: 'wrong state', reason: `this call has no leg ${legSid}` };
    }
    const handler = this.#takers.get(command.command)?.at(-1);
    if (!handler) {
      const reason = NEEDS[command.command] ?? `nothing of this call takes ${command.command} now`;
      return { ok: false, because: 'wrong state', reason };
    }
    return handler(command);
  }
}
