// @ts-check
/**
 * What every `npm` command of this project runs first: brings the machine and the clone into the state that the command
 * needs, then runs the compiled command in this process. Uses nothing but Node, because nothing else may be there yet.
 */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from './bootstrap/commands.mjs';
import { prepare, SetupError } from './bootstrap/prepare.mjs';
import { createProgress } from './bootstrap/progress.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const [name = '', ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;

if (command === undefined) {
  process.stderr.write(`usage: node embedded/launcher/bootstrap.mjs ${Object.keys(COMMANDS).join('|')} [arguments]\n`);
  process.exit(2);
}

// The output of commands that answer something (--json) stays clean: what the set-up says of itself goes to stderr.
const progress = createProgress({
  out: command.talkative ? process.stdout : process.stderr,
  quiet: !command.talkative,
});
try {
  await prepare({ root, command, progress, env: process.env });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(error.exitCode);
}
await command.run({ root, args, progress });
