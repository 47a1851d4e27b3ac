import { type Caller, type FuzzCall, specOf } from './calls.js';
import type { EslLink } from './esl-link.js';
import { restore } from './probe-call.js';
import { FORK_PORT, fillIn, type RunFacts } from './stand-ins.js';

/** Calls that live at the same time: six codecs in six roles. */
export const CALLS = 36;
const ROLES = 6;
const FORK_ROLE = 4;
/** Every so many inputs one call gives its place to a new one. */
const REPLACE_EVERY = 1500;
/** Calls that inputs ended are replaced a few at a time. */
const MAX_REPLACED = 4;
const TRIES = 4;

/** The calls that packets go to, each with something that listens to it or speaks into it. */
export class CallSet {
  private readonly calls: FuzzCall[] = [];
  private lastTurn = 0;
  replaced = 0;

  constructor(
    private readonly caller: Caller,
    private readonly facts: RunFacts,
  ) {}

  at(index: number): FuzzCall {
    return this.calls[index % CALLS]!;
  }

  /** One that has not ended. */
  anyLive(from: number): FuzzCall | undefined {
    for (let i = 0; i < CALLS; i++) {
      const call = this.at(from + i);
      if (!call.dialog.isEnded && !call.esl.isClosed) return call;
    }
    return undefined;
  }

  uuidOf(index: number): string | undefined {
    return this.calls[index]?.uuid;
  }

  /** Places all. */
  async place(control: EslLink): Promise<void> {
    for (let index = 0; index < CALLS; index++) this.calls[index] = await this.placeOne(index, control);
    for (let index = 0; index < CALLS; index++) this.giveRole(index, control);
  }

  /** Replaces those that have ended, and one more where it is its turn. */
  async renew(n: number, control: EslLink): Promise<void> {
    const turn = Math.floor(n / REPLACE_EVERY);
    const due = turn > this.lastTurn ? turn % CALLS : -1;
    this.lastTurn = turn;
    let replaced = 0;
    for (let index = 0; index < CALLS && replaced < MAX_REPLACED; index++) {
      const call = this.calls[index]!;
      if (index !== due && !call.dialog.isEnded && !call.esl.isClosed) continue;
      replaced++;
      await this.caller.end(call);
      this.calls[index] = await this.placeOne(index, control);
      this.giveRole(index, control);
    }
    this.replaced += replaced;
  }

  async end(): Promise<void> {
    await Promise.all(this.calls.map((call) => this.caller.end(call)));
  }

  /** A command may have paused the server or lowered its limits, or kill the call at once: then it is tried again. */
  private async placeOne(index: number, control: EslLink): Promise<FuzzCall> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.caller.call(specOf(index));
      } catch (error) {
        if (attempt === TRIES) throw error;
        await restore(control);
      }
    }
  }

  private giveRole(index: number, control: EslLink): void {
    // Answered in their order, before what is asked for later.
    const { uuid } = this.calls[index]!;
    const mate = this.calls[index ^ 1]?.uuid;
    const execute = (application: string, argument = ''): string =>
      `sendmsg ${uuid}\ncall-command: execute\nexecute-app-name: ${application}\nexecute-app-arg: ${argument}`;
    void control.api(`uuid_setvar ${uuid} park_after_bridge true`);
    switch (Math.floor(index / ROLES) % ROLES) {
      case 0:
        void control.command(execute('start_dtmf'));
        void control.api(`uuid_vad_detect ${uuid} start continuous 2 300 300 fuzz`);
        void control.api(`spandsp_start_tone_detect ${uuid} 1`);
        return;
      case 1:
        void control.api(`uuid_setvar ${uuid} RECORD_STEREO true`);
        void control.api(`uuid_record ${uuid} start call-${index}.wav`);
        return;
      case 2:
        void control.command(execute('conference', 'fuzz@default'));
        return;
      case 3:
        if (mate) void control.api(`uuid_bridge ${uuid} ${mate}`);
        return;
      case FORK_ROLE:
        return;
      default:
        void control.command(execute('endless_playback', 'tone_stream://%(400,200,440,480)'));
        void control.api(`uuid_amd ${uuid} start`);
    }
  }

  /** Starts forks that are not there, on the calls whose role that is; what their servers sent has ended them. */
  keepForks(sessions: ReadonlyMap<string, unknown>, control: EslLink): void {
    for (let index = FORK_ROLE * ROLES; index < (FORK_ROLE + 1) * ROLES; index++) {
      const path = `/f${index}`;
      if (sessions.has(path)) continue;
      const { uuid } = this.at(index);
      const start = `uuid_audio_fork ${uuid} start ws://127.0.0.1:${FORK_PORT}${path} stereo 16000 fuzz {"a":1} true true 16000`;
      void control.api(`uuid_audio_fork ${uuid} stop fuzz`);
      void control.api(fillIn(Buffer.from(start), this.facts).toString());
    }
  }
}
