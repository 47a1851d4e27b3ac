/** A call that can be told to stop. */
export interface StoppableCall {
  stop(): void;
}

/** The calls of this process, those being set up included. */
export interface LiveCalls {
  readonly size: number;
  add(call: StoppableCall): void;
  remove(call: StoppableCall): void;
  /** Resolves when there is no call left. */
  empty(): Promise<void>;
  /** Tells all calls to stop, and resolves when they are gone. */
  stopAll(): Promise<void>;
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
    stopAll() {
      for (const call of [...calls]) call.stop();
      return empty();
    },
  };
}
