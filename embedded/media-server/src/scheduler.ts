import type { EventBus } from './event-socket/event-bus.js';

/** Something that is to be done later. */
interface Task {
  group: string;
  description: string;
  timer: NodeJS.Timeout | undefined;
  runtimeMs: number;
}

/** What a task is called, and when it is due. */
export interface TaskOptions {
  /** By which several can be deleted at once. */
  group: string;
  /** What events call it. */
  description: string;
  dueMs: number;
  /** Again and again after so long; undefined: once. */
  everyMs?: number | undefined;
}

/** Tasks that may wait; no more are taken. */
const MAX_TASKS = 10_000;
/** Node's timers take no longer times; a longer task waits in several steps. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What `sched_api` and its like have asked for, with FreeSWITCH's events ADD_SCHEDULE, RE_SCHEDULE and DEL_SCHEDULE. */
export class Scheduler {
  readonly #bus: EventBus;
  readonly #tasks = new Map<number, Task>();
  readonly #groups = new Map<string, Set<number>>();
  #nextId = 1;

  constructor(bus: EventBus) {
    this.#bus = bus;
  }

  /** Takes a task and returns its number; undefined when too many wait. A time that has passed is now. */
  add({ group, description, dueMs, everyMs }: TaskOptions, run: () => void): number | undefined {
    if (this.#tasks.size >= MAX_TASKS) return undefined;
    const id = this.#nextId++;
    const task: Task = { group, description, timer: undefined, runtimeMs: dueMs };
    this.#tasks.set(id, task);
    const fellows = this.#groups.get(group);
    if (fellows) fellows.add(id);
    else this.#groups.set(group, new Set([id]));
    this.#tell('ADD_SCHEDULE', id, task);
    const due = (): void => {
      if (everyMs === undefined) this.delete(id);
      run();
      if (everyMs === undefined || !this.#tasks.has(id)) return;
      task.runtimeMs = Date.now() + everyMs;
      this.#tell('RE_SCHEDULE', id, task);
      this.#arm(task, due);
    };
    this.#arm(task, due);
    return id;
  }

  /** Deletes one task; false when there is none of that number. */
  delete(id: number): boolean {
    const task = this.#tasks.get(id);
    if (!task) return false;
    clearTimeout(task.timer);
    this.#tasks.delete(id);
    const fellows = this.#groups.get(task.group);
    fellows?.delete(id);
    if (fellows?.size === 0) this.#groups.delete(task.group);
    this.#tell('DEL_SCHEDULE', id, task);
    return true;
  }

  /** Deletes all of a group and returns how many. */
  deleteGroup(group: string): number {
    const ids = [...(this.#groups.get(group) ?? [])];
    for (const id of ids) this.delete(id);
    return ids.length;
  }

  /** Forgets everything. */
  close(): void {
    for (const { timer } of this.#tasks.values()) clearTimeout(timer);
    this.#tasks.clear();
    this.#groups.clear();
  }

  #arm(task: Task, due: () => void): void {
    const waitMs = Math.max(0, task.runtimeMs - Date.now());
    task.timer = setTimeout(
      () => (waitMs > MAX_TIMER_MS ? this.#arm(task, due) : due()),
      Math.min(waitMs, MAX_TIMER_MS),
    );
  }

  #tell(event: string, id: number, { description, group, runtimeMs }: Task): void {
    this.#bus.emit(event, [
      ['Task-ID', String(id)],
      ['Task-Desc', description],
      ['Task-Group', group],
      ['Task-Runtime', String(Math.floor(runtimeMs / 1000))],
    ]);
  }
}
