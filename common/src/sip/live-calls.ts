/** A call that can be told to stop. */
export interface StoppableCall {
  /** Ends the call in order. */
  stop(): void;
  /** Writes the call's end without waiting for anybody. */
  abandon(): void;
}

/** The calls of this process, those being set up and those that are still being looked at included. */
export interface LiveCalls<Call extends StoppableCall = StoppableCall> {
  readonly size: number;
  /**
   * Counts an INVITE about which nothing is decided yet, so that whoever waits for the last call waits for it, too. What it returns must be called once the call
   * is added, or refused; later calls do nothing.
   */
  enter(): () => void;
  add(call: Call): void;
  remove(call: Call): void;
  /** The first that is meant; looks at every call. */
  find(isMeant: (call: Call) => boolean): Call | undefined;
  /** Resolves when there is no call left. */
  empty(): Promise<void>;
  /** Tells all calls to stop and resolves when they are gone; those left after the deadline are abandoned. */
  stopAll(deadlineMs: number): Promise<void>;
}

/** Makes an empty table. */
export function liveCalls<Call extends StoppableCall = StoppableCall>(): LiveCalls<Call> {
  const calls = new Set<Call>();
  let entered = 0;
  let isStopping = false;
  let waiting: (() => void)[] = [];
  const size = (): number => calls.size + entered;
  const left = (): void => {
    if (size() > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  const empty = (): Promise<void> => {
    if (size() === 0) return Promise.resolve();
    return new Promise((resolve) => void waiting.push(resolve));
  };
  return {
    get size() {
      return size();
    },
    enter() {
      let isIn = true;
      entered++;
      return () => {
        if (!isIn) return;
        isIn = false;
        entered--;
        left();
      };
    },
    add(call) {
      calls.add(call);
      // It was still being looked at when all were told to stop.
      if (isStopping) call.stop();
    },
    remove(call) {
      calls.delete(call);
      left();
    },
    find(isMeant) {
      for (const call of calls) if (isMeant(call)) return call;
      return undefined;
    },
    empty,
    async stopAll(deadlineMs) {
      isStopping = true;
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
