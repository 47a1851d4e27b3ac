import type { Application, ApplicationCommand } from '../app-client/application.js';
import type { Journal } from '../session/journal.js';
import type { CommandResult, SessionCommand } from './commands.js';
import { readCommand } from './read-command.js';

/** Does what a WebSocket application sends; what cannot be read, or done, it is told as `jambonz:error`. Never rejects. */
export async function obey(
  sent: ApplicationCommand,
  {
    execute,
    application,
    journal,
  }: {
    execute(command: SessionCommand, callSid?: string): Promise<CommandResult>;
    application: Application;
    journal: Journal;
  },
): Promise<void> {
  const read = readCommand(sent);
  if (!read.ok) {
    journal.timeline.error('hook', `command ${sent.command}: ${read.reason}`);
    journal.alert('invalid-app-payload', `command ${sent.command.slice(0, 100)}: ${read.reason}`);
    application.send('jambonz:error', { msg: 'InvalidMessage', details: read.reason, content: sent });
    return;
  }
  // Streamed text comes word by word: too much for a timeline.
  if (sent.command !== 'tts:tokens')
    journal.timeline.info('hook', `command ${sent.command}`, { command: sent.command });
  const result = await execute(read.command, sent.callSid);
  if (result.ok) return;
  journal.timeline.warn('hook', `command ${sent.command}: ${result.reason}`);
  application.send('jambonz:error', { msg: `command ${sent.command} was not done`, details: result.reason });
}
