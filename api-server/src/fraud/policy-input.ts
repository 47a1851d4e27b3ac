import {
  DEFAULT_BLOCK_MINUTES,
  type DestinationAction,
  type FraudPolicyWords,
  readDestinations,
} from '@ringwire/common';
import { badField, type Fields, rejectUnknown } from '../http/input.js';

const FIELDS = [
  'default_action',
  'high_risk_action',
  'destinations',
  'calls_per_minute',
  'calls_per_hour',
  'messages_per_minute',
  'messages_per_hour',
  'expensive_prefixes_per_hour',
  'expensive_rate',
  'block_minutes',
];
/** What an account may have called and sent is kept in Redis up to its limit. */
const MAX_CALLS = 100_000;
const MAX_PREFIXES = 10_000;
const MAX_RATE = 4_000;
const MAX_BLOCK_MINUTES = 525_600;

function wholeOrNull(fields: Fields, field: string, max: number): number | null {
  const value = fields[field] ?? null;
  if (value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw badField(field, `must be a whole number from 0 to ${max}, or null`);
  }
  return value;
}

function rateMicros(fields: Fields): number | null {
  const value = fields.expensive_rate ?? null;
  if (value === null) return null;
  if (typeof value !== 'number' || !(value >= 0) || value > MAX_RATE) {
    throw badField('expensive_rate', `must be the price of a minute, from 0 to ${MAX_RATE}, or null`);
  }
  return Math.round(value * 1e6);
}

function actionField(fields: Fields, field: string, otherwise: DestinationAction): DestinationAction {
  const value = fields[field] ?? otherwise;
  if (value !== 'allow' && value !== 'deny') throw badField(field, 'must be allow or deny');
  return value;
}

/** Reads a policy. @throws HttpError 400 that names the wrong field */
export function policyInput(fields: Fields): FraudPolicyWords {
  rejectUnknown(fields, FIELDS);
  // Who speaks of limits alone has not said what may be called.
  const defaultAction = actionField(
    fields,
    'default_action',
    (fields.destinations ?? null) === null ? 'allow' : 'deny',
  );
  const highRiskAction = actionField(fields, 'high_risk_action', 'deny');
  const list = readDestinations(fields.destinations ?? []);
  if (!list.ok) throw badField(list.at, list.expected);
  const blockMinutes = wholeOrNull(fields, 'block_minutes', MAX_BLOCK_MINUTES) ?? DEFAULT_BLOCK_MINUTES;
  if (blockMinutes < 1) throw badField('block_minutes', 'must be at least 1');
  return {
    defaultAction,
    highRiskAction,
    destinations: list.rules,
    limits: {
      callsPerMinute: wholeOrNull(fields, 'calls_per_minute', MAX_CALLS),
      callsPerHour: wholeOrNull(fields, 'calls_per_hour', MAX_CALLS),
      messagesPerMinute: wholeOrNull(fields, 'messages_per_minute', MAX_CALLS),
      messagesPerHour: wholeOrNull(fields, 'messages_per_hour', MAX_CALLS),
      expensivePrefixesPerHour: wholeOrNull(fields, 'expensive_prefixes_per_hour', MAX_PREFIXES),
      expensiveRateMicros: rateMicros(fields),
      blockMinutes,
    },
  };
}

/** Limits as the API shows them. */
export const limitsToJson = ({ limits }: Pick<FraudPolicyWords, 'limits'>) => ({
  calls_per_minute: limits.callsPerMinute,
  calls_per_hour: limits.callsPerHour,
  messages_per_minute: limits.messagesPerMinute,
  messages_per_hour: limits.messagesPerHour,
  expensive_prefixes_per_hour: limits.expensivePrefixesPerHour,
  expensive_rate: limits.expensiveRateMicros === null ? null : limits.expensiveRateMicros / 1e6,
  block_minutes: limits.blockMinutes,
});

/** A policy as the API shows it. */
export const policyToJson = (policy: FraudPolicyWords) => ({
  default_action: policy.defaultAction,
  high_risk_action: policy.highRiskAction,
  destinations: policy.destinations,
  ...limitsToJson(policy),
});
