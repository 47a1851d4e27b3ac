import { maskText } from '@ringwire/common';
import type { HookSpec } from '@ringwire/verb-specs';
import { opening } from '../verbs/quantities.js';
import type { VerbContext } from '../verbs/verb.js';
import { objectOf } from './bot-http.js';
import type { ToolCall, ToolResult } from './dialogflow-api.js';

/**
 * Has the application do what an agent asks its client to do: each call goes to the hook as `tool_call`, in the agent's own shape, and `outputParameters`
 * of the answer, or `error`, go back. The agent hears of a hook that fails as of a tool that fails. Never rejects.
 */
export async function runTools(
  ctx: VerbContext,
  toolHook: HookSpec | undefined,
  calls: readonly ToolCall[],
  signal: AbortSignal,
): Promise<ToolResult[]> {
  const results: ToolResult[] = [];
  for (const call of calls) {
    if (signal.aborted) break;
    results.push({ call, ...(await runTool(ctx, toolHook, call, signal)) });
  }
  return results;
}

async function runTool(
  { app, journal }: VerbContext,
  toolHook: HookSpec | undefined,
  call: ToolCall,
  signal: AbortSignal,
): Promise<Omit<ToolResult, 'call'>> {
  const fail = (error: string): Omit<ToolResult, 'call'> => {
    journal.timeline.warn('verb', `dialogflow: a tool of the agent failed: ${opening(maskText(error))}`);
    return { output: {}, error };
  };
  if (toolHook === undefined) return fail('no toolHook is given');
  const reply = await app.ask(toolHook, { toolCall: call }, signal);
  if (!reply) return fail('the toolHook failed');
  const { outputParameters, output_parameters: output = outputParameters, error } = reply.object ?? {};
  if (error !== undefined && error !== null) {
    return fail(typeof error === 'string' ? error : String(objectOf(error).message ?? JSON.stringify(error)));
  }
  if (typeof output !== 'object' || output === null || Array.isArray(output)) {
    return fail('the answer of the toolHook has neither outputParameters, an object, nor error');
  }
  journal.timeline.info('verb', 'dialogflow: a tool of the agent was run', {
    // Without what it was asked with: that is the caller's.
    toolCall: { tool: call.tool, action: call.action ?? call.displayName },
  });
  return { output: objectOf(output) };
}
