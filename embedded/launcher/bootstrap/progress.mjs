// @ts-check
/**
 * Progress on a terminal: one line per step, `…` while it runs, `✔` or `✖` when it ends. A step that takes longer than
 * two seconds shows its elapsed time, on a terminal as it grows.
 */

/**
 * @typedef {object} Step
 * @property {(note?: string) => void} done The step has ended well.
 * @property {(note?: string) => void} fail The step has failed.
 * @property {(note: string) => void} update Changes what is said beside the title while the step runs.
 * @property {() => void} forget The step had nothing to do: its line goes away.
 */
/**
 * @typedef {object} Progress
 * @property {(title: string, reason?: string) => Step} step Begins a step. Several may run at the same time.
 * @property {(text: string) => void} say Writes a line of its own.
 * @property {boolean} colour Whether ANSI colours are used.
 */

/** A step that takes longer shows its time. */
const SHOW_ELAPSED_MS = 2_000;
/** How often a running step is shown again where lines cannot be rewritten (a log, a pipe). */
const REPEAT_MS = 15_000;
const GREEN = '\u001b[32m';
const RED = '\u001b[31m';
const DIM = '\u001b[2m';
const RESET = '\u001b[0m';

/**
 * @param {{ out: NodeJS.WriteStream, quiet?: boolean }} options `quiet` hides steps that end within two seconds.
 * @returns {Progress}
 */
export function createProgress({ out, quiet = false }) {
  const colour = out.isTTY === true && process.env.NO_COLOR === undefined;
  const rewrite = out.isTTY === true;
  /** @type {Set<{ text: () => string }>} */
  const running = new Set();
  let liveLine = false;

  /** @param {string} code @param {string} text */
  const paint = (code, text) => (colour ? `${code}${text}${RESET}` : text);
  const clear = () => {
    if (liveLine) out.write('\r\u001b[2K');
    liveLine = false;
  };
  const redraw = () => {
    if (!rewrite || running.size === 0) return;
    const line = [...running].map((step) => step.text()).join('   ');
    out.write(`\r\u001b[2K${line.slice(0, Math.max(20, (out.columns ?? 80) - 1))}`);
    liveLine = true;
  };
  /** @param {string} text */
  const say = (text) => {
    clear();
    out.write(`${text}\n`);
    redraw();
  };

  return {
    colour,
    say,
    step(title, reason) {
      const startedAt = Date.now();
      let note = reason ?? '';
      const elapsed = () => {
        const ms = Date.now() - startedAt;
        return ms >= SHOW_ELAPSED_MS ? ` ${(ms / 1000).toFixed(rewrite ? 0 : 1)} s` : '';
      };
      const line = () => `${title}${note === '' ? '' : `: ${note}`}`;
      const entry = { text: () => `… ${line()}${elapsed()}` };
      running.add(entry);
      if (!quiet) redraw();
      const timer = rewrite ? setInterval(redraw, 250) : repeatIn(() => say(entry.text()));
      timer.unref();
      /** @param {string} mark @param {string} [result] @param {boolean} [show] */
      const end = (mark, result, show = true) => {
        clearInterval(timer);
        if (!running.delete(entry)) return;
        if (result !== undefined) note = result;
        const time = elapsed();
        clear();
        if (show && !(quiet && mark === '✔' && time === ''))
          say(`${paint(mark === '✔' ? GREEN : RED, mark)} ${line()}${paint(DIM, time)}`);
        else redraw();
      };
      return {
        done: (result) => end('✔', result),
        fail: (result) => end('✖', result),
        forget: () => end('✔', undefined, false),
        update(text) {
          note = text;
          if (!quiet) redraw();
        },
      };
    },
  };
}

/**
 * Where lines cannot be rewritten: once after two seconds, then from time to time.
 * @param {() => void} show
 */
function repeatIn(show) {
  let ticks = 0;
  return setInterval(() => {
    ticks += 1;
    if (ticks === 1 || (ticks * SHOW_ELAPSED_MS) % REPEAT_MS < SHOW_ELAPSED_MS) show();
  }, SHOW_ELAPSED_MS);
}
