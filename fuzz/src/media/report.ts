/** Memory of a process. */
export interface Memory {
  rssBytes: number;
  /** Heaps and buffers of all its threads after a collection. */
  heldBytes: number;
  /** The same thread by thread, where there are several. */
  threads: Record<string, number>;
}

/** Nothing measured. */
export function noMemory(): Memory {
  return { rssBytes: 0, heldBytes: 0, threads: {} };
}
