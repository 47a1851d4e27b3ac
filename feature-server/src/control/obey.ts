import { shorten } from '@ringwire/verb-specs';
import type { Application, ApplicationCommand } from '../app-client/application.js';
import type { Journal } from '../session/journal.js';
import type { CommandResult, SessionCommand } from './commands.js';
import { readCommand } from './read-command.js';

/** Characters of a faulty command that its sender gets back. */
const MOST_SHOWN = 1_000;

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
    const text = `command ${shorten(sent.command)}: ${read.reason}`;
    journal.timeline.error('hook', text);
    journal.alert('invalid-app-payload', text);
    application.send('jambonz:error', { msg: 'InvalidMessage', details: read.reason, content: shown(sent) });
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

/** What was sent, or its beginning: an application that sends too much is not sent all of it back. */
function shown(sent: ApplicationCommand): unknown {
  const { data, command } = sent;
  try {
    const text = JSON.stringify(sent);
    return text.length > MOST_SHOWN ? text.slice(0, MOST_SHOWN) : sent;
  } catch {
    // Too deep to be written.
    return { command: shorten(command), data: Array.isArray(data) ? '[…]' : '{…}' };
  }
}
