/** Memory of a process. */
export interface Memory {
  rssBytes: number;
  /** Heaps and buffers of all its threads after a collection. */
  heldBytes: number;
}
