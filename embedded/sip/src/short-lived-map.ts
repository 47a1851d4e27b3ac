/**
 * A map for values that come and go by the thousand, such as transactions. It lets go of a value the moment that it is
 * deleted.
 *
 * V8's own Map grows by making a new table, and each old table keeps what it held and points to the next one. Once one of
 * them is old enough for the garbage collector's old generation, all later tables, with all that was in them when they were
 * replaced, survive too until the next full collection: of a busy server's messages a third did. Here the tables hold cells,
 * which are emptied.
 */
export class ShortLivedMap<K, V> {
  private readonly cells = new Map<K, { value: V | undefined }>();

  get size(): number {
    return this.cells.size;
  }

  has(key: K): boolean {
    return this.cells.has(key);
  }

  get(key: K): V | undefined {
    return this.cells.get(key)?.value;
  }

  set(key: K, value: V): void {
    const cell = this.cells.get(key);
    if (cell) cell.value = value;
    else this.cells.set(key, { value });
  }

  /** Whether it was there. */
  delete(key: K): boolean {
    const cell = this.cells.get(key);
    if (!cell) return false;
    cell.value = undefined;
    return this.cells.delete(key);
  }

  clear(): void {
    for (const cell of this.cells.values()) cell.value = undefined;
    this.cells.clear();
  }

  /** In the order in which the keys came; what is deleted meanwhile is left out. */
  *values(): Generator<V, void> {
    for (const { value } of this.cells.values()) if (value !== undefined) yield value;
  }
}
