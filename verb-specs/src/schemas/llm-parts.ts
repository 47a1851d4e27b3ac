import { component, freeObject, list, object, ref, type Schema, type Static, text, textOr } from '../schema.js';
import { synthesizer } from './synthesizer.js';
import { transferProperties, transferRules } from './transfer-options.js';

const anyObjects: Schema<Record<string, unknown>[]> = {
  type: 'array',
  items: { type: 'object' },
  description: 'roots offered to the server',
};
const mcpServerSchema = object(
  {
    url: text('URL of the server (SSE)'),
    auth: freeObject('credentials of the server'),
    roots: anyObjects,
  },
  ['url'],
);
/** A server whose tools are offered to the model. */
export interface McpServerSpec extends Static<typeof mcpServerSchema> {}
/** Schema of {@link McpServerSpec}. */
export const mcpServer = component<McpServerSpec>(
  'mcpServer',
  'A Model Context Protocol server whose tools are offered to the model.',
  mcpServerSchema,
);
/** List of MCP servers. */
export const mcpServers = list(mcpServer, 'servers whose tools are offered');

const briefTemplate = object({ template: text('guidance for the summary') }, ['template']);
const handoffSchema = object(
  {
    ...transferProperties,
    brief: textOr(
      ['auto', 'none'],
      briefTemplate,
      'summary spoken to the human: auto, none or {template}; default auto',
    ),
    briefSynthesizer: ref(synthesizer, 'voice of the summary; default is that of the session'),
    toolName: text('name of the tool that is offered to the model; default transfer_to_human'),
    toolDescription: text('description of that tool for the model'),
  },
  ['mode', 'target'],
  transferRules,
);
/** Transfer to a human, offered to the model as a tool. */
export interface HandoffSpec extends Static<typeof handoffSchema> {}
/** Schema of {@link HandoffSpec}. */
export const handoff = component<HandoffSpec>(
  'handoff',
  'Transfer to a human, offered to the model as a tool.',
  handoffSchema,
);

const hangupToolSchema = object({ reason: text('X-Reason of the BYE where the model gives none') });
/** Hang-up, offered to the model as a tool. */
export interface HangupToolSpec extends Static<typeof hangupToolSchema> {}
/** Schema of {@link HangupToolSpec}. */
export const hangupTool = component<HangupToolSpec>(
  'hangupTool',
  'Hang-up, offered to the model as a tool.',
  hangupToolSchema,
);
