import { describeErrors, type VerbSpec, validate } from '@ringwire/verb-specs';
import { InvalidApplicationError } from '../errors.js';
import type { HookReply } from './application.js';
import type { ExchangeResult } from './http-exchange.js';
import { showBody } from './payload.js';

/**
 * Reads an application's answer: an array of verbs is validated as a whole, JSON of any other shape and anything that
 * is not JSON counts as "nothing to run" (jambonz).
 *
 * @throws InvalidApplicationError whose facts hold the answer and, for each fault, JSON path and reason.
 */
export function readVerbs(answer: ExchangeResult): HookReply {
  const { status, body, contentType } = answer;
  if (body.trim().length === 0) return { kind: 'nothing', because: 'the answer is empty', isMeant: true, status };
  if (!contentType.toLowerCase().includes('application/json')) {
    return {
      kind: 'nothing',
      because: `its content type is "${contentType || 'absent'}", not application/json`,
      isMeant: false,
      status,
    };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidApplicationError(`answer is not valid JSON: ${reason}`, { answer: showBody(body) }, { cause });
  }
  return readAnswer(parsed, body, status);
}

/**
 * Reads the data of an acknowledgement, by the same rules; without verbs in it the call goes on as it would.
 *
 * @throws InvalidApplicationError
 */
export function readAck(data: unknown, shownAs: string): HookReply {
  if (data === undefined) return { kind: 'nothing', because: 'the ack has no data', isMeant: true, status: 200 };
  return readAnswer(data, shownAs, 200);
}

function readAnswer(parsed: unknown, body: string, status: number): HookReply {
  if (!Array.isArray(parsed)) {
    const because = 'it is not an array of verbs';
    return {
      kind: 'nothing',
      because,
      isMeant: isEmpty(parsed),
      status,
      ...(isObject(parsed) && !isEmpty(parsed) && { object: parsed }),
    };
  }
  return { kind: 'verbs', verbs: checkVerbs(parsed, body), status };
}

function isObject(parsed: unknown): parsed is Record<string, unknown> {
  return typeof parsed === 'object' && parsed !== null;
}

function isEmpty(parsed: unknown): boolean {
  return parsed === null || (typeof parsed === 'object' && Object.keys(parsed).length === 0);
}

/**
 * Validates a verb list from anywhere (an answer, a stored application).
 * @throws InvalidApplicationError
 */
export function checkVerbs(verbs: unknown, shownAs: string): VerbSpec[] {
  const result = validate(verbs);
  if (result.ok) return result.verbs;
  const faults = result.errors.map(({ path, reason }) => ({ path, reason }));
  throw new InvalidApplicationError(describeErrors(result.errors), {
    path: faults[0]?.path,
    reason: faults[0]?.reason,
    faults: faults.slice(0, 20),
    answer: showBody(shownAs),
  });
}
