/** What a Node process holds after a collection, as {@link MemoryProbe} reports it. */
export interface NodeMemory {
  rssBytes: number;
  /** JavaScript objects and the buffers that they hold. */
  heldBytes: number;
  /** Timers of the event loop. */
  timers: number;
}

/** Preloaded (`--import`, with `--expose-gc`) into a server under test: answers the parent's 'memory' with {@link NodeMemory}. */
process.on('message', (message) => {
  if (message !== 'memory') return;
  const collect = (globalThis as { gc?: () => void }).gc;
  // Twice: what finalizers let go of is free after the second.
  collect?.();
  setImmediate(() => {
    collect?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    process.send?.({ type: 'memory', rssBytes: rss, heldBytes: heapUsed + external, timers });
  });
});
// The server itself decides how long it lives.
process.channel?.unref();
