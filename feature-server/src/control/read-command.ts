import type { ApplicationCommand } from '../app-client/application.js';
import { checkVerbs } from '../app-client/read-verbs.js';
import type { SessionCommand } from './commands.js';

/** A command that can be done, or why what was sent is none. */
export type ReadCommand = { ok: true; command: SessionCommand } | { ok: false; reason: string };

/** Reads a command as a WebSocket application sends it (compat 3.5). Never throws. */
export function readCommand({ command, data, queueCommand }: ApplicationCommand): ReadCommand {
  try {
    if (command === 'redirect' && Array.isArray(data)) {
      const verbs = checkVerbs(data, JSON.stringify(data));
      return { ok: true, command: { command, verbs, isQueued: queueCommand === true } };
    }
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
  return { ok: false, reason: `"${command}" is no command` };
}
