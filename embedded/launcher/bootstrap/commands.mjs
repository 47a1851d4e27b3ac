// @ts-check
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BROWSER_PROGRAMS, RUN_PROGRAMS, TEST_PROGRAMS } from './programs.mjs';
import { runTests } from './test-run.mjs';

/**
 * @typedef {{ root: string, args: string[], progress: import('./progress.mjs').Progress }} CommandContext
 *
 * @typedef {object} Command
 * @property {import('./programs.mjs').Requirement[]} programs What it needs of the system.
 * @property {boolean} talkative Whether the set-up shows each of its steps, also when there is nothing to do.
 * @property {(context: CommandContext) => Promise<void>} run
 */

/**
 * Runs a compiled script in this process as if Node had been started with it.
 * @param {string} script
 * @returns {Command['run']}
 */
const script =
  (script) =>
  async ({ root, args }) => {
    const file = join(root, script);
    process.argv = [process.execPath, file, ...args];
    await import(pathToFileURL(file).href);
  };

/** @type {Record<string, Command>} */
export const COMMANDS = {
  start: {
    programs: RUN_PROGRAMS,
    talkative: true,
    async run({ root, args, progress }) {
      const url = pathToFileURL(join(root, 'embedded/launcher/dist/start-command.js')).href;
      const { runStart } = await import(url);
      // Everything has been stopped: a connection that is kept alive somewhere must not delay the end.
      process.exit(await runStart({ root, args, progress, env: process.env }));
    },
  },
  test: {
    programs: [...TEST_PROGRAMS, ...BROWSER_PROGRAMS],
    talkative: true,
    async run({ root, args, progress }) {
      process.exitCode = await runTests({ root, args, progress });
    },
  },
  call: { programs: [], talkative: false, run: script('embedded/phone/dist/cli.js') },
  bench: { programs: TEST_PROGRAMS, talkative: true, run: script('bench/dist/main.js') },
  rates: { programs: [], talkative: false, run: script('common/dist/rates/main.js') },
  fuzz: { programs: [], talkative: false, run: script('fuzz/dist/main.js') },
  'sip-server': { programs: [], talkative: false, run: script('embedded/sip-server/dist/main.js') },
  'media-server': { programs: [], talkative: false, run: script('embedded/media-server/dist/main.js') },
};
