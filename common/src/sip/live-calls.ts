/** A call that can be told to stop. */
export interface StoppableCall {
  /** Ends the call in order. */
  stop(): void;
  /** Writes the call's end without waiting for anybody. */
  abandon(): void;
}

/** The calls of this process, those being set up included. */
export interface LiveCalls {
  readonly size: number;
  add(call: StoppableCall): void;
  remove(call: StoppableCall): void;
  /** Resolves when there is no call left. */
  empty(): Promise<void>;
  /** Tells all calls to stop and resolves when they are gone; those left after the deadline are abandoned. */
  stopAll(deadlineMs: number): Promise<void>;
}

/** Makes an empty table. */
export function liveCalls(): LiveCalls {
  const calls = new Set<StoppableCall>();
  let waiting: (() => void)[] = [];
  const empty = (): Promise<void> => {
    if (calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => void waiting.push(resolve));
  };
  return {
    get size() {
      return calls.size;
    },
    add: (call) => void calls.add(call),
    remove(call) {
      calls.delete(call);
      if (calls.size > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    empty,
    async stopAll(deadlineMs) {
      for (const call of [...calls]) call.stop();
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, deadlineMs);
      });
      await Promise.race([empty(), deadline]).finally(() => clearTimeout(timer));
      for (const call of [...calls]) call.abandon();
    },
  };
}
