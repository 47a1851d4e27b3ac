import { listOfAnswer, objectOf, type PostJson, readAnswer, textOf } from './bot-http.js';
import type { DialogflowAgent, DialogflowAnswer, DialogflowInput } from './dialogflow-api.js';

/** Google's address of the service, for all regions. */
export const CES_URL = 'https://ces.googleapis.com';

/**
 * Tells an application of Customer Engagement Suite something, in one turn of its conversation: runSession of API version 1.
 * @throws BotError, and what `post` throws
 */
export async function runSession(
  agent: DialogflowAgent,
  input: DialogflowInput,
  token: string,
  post: PostJson,
  signal: AbortSignal,
): Promise<DialogflowAnswer> {
  const { project, region, agent: app = '', sessionId, deployment } = agent;
  const application = nameOf('projects', project, 'locations', region, 'apps', app);
  const session = `${application}/${nameOf('sessions', sessionId)}`;
  const config = { session, ...(deployment !== undefined && { deployment: deploymentOf(application, deployment) }) };
  const url = new URL(`${agent.base.replace(/\/$/, '')}/v1/${session}:runSession`);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ config, inputs: [inputOf(input)] });
  return readOutputs(objectOf(readAnswer('Dialogflow', await post(url, headers, body, signal))));
}

const nameOf = (...steps: string[]): string => steps.map(encodeURIComponent).join('/');

/** An application may name it in full, or by its id. */
const deploymentOf = (application: string, deployment: string): string =>
  deployment.includes('/') ? deployment : `${application}/${nameOf('deployments', deployment)}`;

function inputOf(input: DialogflowInput): object {
  switch (input.kind) {
    case 'text':
      return { text: input.text };
    case 'dtmf':
      return { dtmf: input.digits };
    // It knows no intents: what somebody would say is the nearest.
    case 'intent':
      return { text: input.name };
    case 'event':
      return { event: { event: input.name, ...(input.parameters && { variables: input.parameters }) } };
    case 'tools': {
      const toolResponses = input.results.map(({ call: { id, tool, toolsetTool, displayName }, output, error }) => ({
        ...(id !== undefined && { id }),
        ...(tool !== undefined && { tool }),
        ...(toolsetTool !== undefined && { toolsetTool }),
        ...(displayName !== undefined && { displayName }),
        response: error === undefined ? output : { error },
      }));
      return { toolResponses: { toolResponses } };
    }
  }
}

function readOutputs(answer: Readonly<Record<string, unknown>>): DialogflowAnswer {
  const outputs = listOfAnswer(answer.outputs).map(objectOf);
  return {
    says: outputs.flatMap(({ text }) => {
      const said = textOf(text);
      return said === undefined ? [] : [{ text: said }];
    }),
    tools: outputs.flatMap(({ toolCalls }) => listOfAnswer(objectOf(toolCalls).toolCalls).map(objectOf)),
    ends: outputs.some(({ endSession }) => endSession !== undefined && endSession !== null),
    answer,
  };
}
