import {
  type Database,
  type FraudPolicyRow,
  type FraudPolicyWords,
  type PolicyAuthor,
  readDestinations,
} from '@ringwire/common';

interface Row {
  owner_sid: string;
  set_by: PolicyAuthor;
  default_action: 'allow' | 'deny';
  high_risk_action: 'allow' | 'deny';
  destinations: string;
  calls_per_minute: number | null;
  calls_per_hour: number | null;
  messages_per_minute: number | null;
  messages_per_hour: number | null;
  expensive_prefixes_per_hour: number | null;
  expensive_rate_micros: number | null;
  block_minutes: number;
}

const fromRow = (row: Row): FraudPolicyRow => {
  const list = readDestinations(JSON.parse(row.destinations));
  return {
    ownerSid: row.owner_sid,
    setBy: row.set_by,
    defaultAction: row.default_action,
    highRiskAction: row.high_risk_action,
    destinations: list.ok ? list.rules : [],
    limits: {
      callsPerMinute: row.calls_per_minute,
      callsPerHour: row.calls_per_hour,
      messagesPerMinute: row.messages_per_minute,
      messagesPerHour: row.messages_per_hour,
      expensivePrefixesPerHour: row.expensive_prefixes_per_hour,
      expensiveRateMicros: row.expensive_rate_micros,
      blockMinutes: row.block_minutes,
    },
  };
};

/** Everything that was said about these owners. */
export async function findPolicies(db: Database, ownerSids: readonly string[]): Promise<FraudPolicyRow[]> {
  const rows = await db.query<Row>('SELECT * FROM fraud_policies WHERE owner_sid IN (?)', [ownerSids]);
  return rows.map(fromRow);
}

/** Writes what one author says of one owner, in place of what it said before. */
export async function setPolicy(
  db: Database,
  ownerSid: string,
  setBy: PolicyAuthor,
  { defaultAction, highRiskAction, destinations, limits }: FraudPolicyWords,
): Promise<void> {
  await db.execute(
    `REPLACE INTO fraud_policies (owner_sid, set_by, default_action, high_risk_action, destinations, calls_per_minute,
      calls_per_hour, messages_per_minute, messages_per_hour, expensive_prefixes_per_hour, expensive_rate_micros, block_minutes) VALUES (?)`,
    [
      [
        ownerSid,
        setBy,
        defaultAction,
        highRiskAction,
        JSON.stringify(destinations),
        limits.callsPerMinute,
        limits.callsPerHour,
        limits.messagesPerMinute,
        limits.messagesPerHour,
        limits.expensivePrefixesPerHour,
        limits.expensiveRateMicros,
        limits.blockMinutes,
      ],
    ],
  );
}

/** Takes an author's word about an owner back. @returns whether there was one */
export async function deletePolicy(db: Database, ownerSid: string, setBy: PolicyAuthor): Promise<boolean> {
  const { affectedRows } = await db.execute('DELETE FROM fraud_policies WHERE owner_sid = ? AND set_by = ?', [
    ownerSid,
    setBy,
  ]);
  return affectedRows > 0;
}
