/**
 * Lua, because a call must get a place in all of its counts or in none, whatever other processes do at the same moment. Time
 * is that of Redis: the clocks of the processes may differ. All keys of one script belong to one service provider and
 * share its hash tag, so that the scripts run on a Redis Cluster too.
 */
const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * KEYS: n counts (sorted sets), then n keys that remember that the limit was told. ARGV: member, expiry in ms, how long a told limit
 * stays quiet in ms, then n limits (-1: none). Answers `{0, 0}`, or which limit is reached (from 1) and whether that is news.
 */
export const TAKE_PLACES = `${NOW}
local count = #KEYS / 2
for i = 1, count do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
  local limit = tonumber(ARGV[3 + i])
  if limit >= 0 and redis.call('ZCARD', KEYS[i]) >= limit then
    local news = redis.call('SET', KEYS[count + i], '1', 'NX', 'PX', ARGV[3])
    return {i, news and 1 or 0}
  end
end
for i = 1, count do
  redis.call('ZADD', KEYS[i], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return {0, 0}`;

/** KEYS: one count. ARGV: expiry in ms, then the members that live on; they are added where Redis has lost them. */
export const RENEW_PLACES = `${NOW}
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 0`;
