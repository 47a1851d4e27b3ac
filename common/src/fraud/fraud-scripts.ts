/**
 * Lua, so that a call or a message is counted and judged at once, whatever other processes do at the same moment; time is that of Redis. A refused call is not
 * counted: what an account has in Redis is bounded by its limits. A member that counts already is judged again without its own rates, and keeps its time.
 *
 * KEYS: calls or messages, prefixes, block, told, blocks of the service provider. ARGV: member, account sid, as many per minute, per hour, expensive
 * prefixes per hour (-1: no limit), expensive prefix (empty: none), block in ms, `1` where the destination is denied, quiet time in ms, number, `calls` or `messages`.
 *
 * Answers `{'ok'}`; `{'denied', news}`; or `{'blocked', block, news}` with the block as `readBlock` takes it.
 */
export const CHECK_CALL = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local block = redis.call('GET', KEYS[3])
if block then return {'blocked', block, '0'} end
local minute, hour, most, prefix = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local keep = hour >= 0 and 3600000 or 60000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - keep)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 3600000)
local isExpensive = prefix ~= '' and most >= 0
local why
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not known and hour >= 0 and redis.call('ZCARD', KEYS[1]) >= hour then why = ARGV[11] .. '-per-hour'
elseif not known and minute >= 0 and redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now - 60000), '+inf') >= minute then why = ARGV[11] .. '-per-minute'
elseif isExpensive and not redis.call('ZSCORE', KEYS[2], prefix) and redis.call('ZCARD', KEYS[2]) >= most then why = 'expensive-prefixes' end
if why then
  block = string.format('%s %.0f %.0f %s', why, now, now + tonumber(ARGV[7]), ARGV[10])
  redis.call('SET', KEYS[3], block, 'PX', ARGV[7])
  redis.call('SADD', KEYS[5], ARGV[2])
  return {'blocked', block, '1'}
end
if hour >= 0 or minute >= 0 then
  redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], keep)
end
if ARGV[8] == '1' then
  local news = redis.call('SET', KEYS[4], '1', 'NX', 'PX', ARGV[9])
  return {'denied', news and '1' or '0'}
end
if isExpensive then
  redis.call('ZADD', KEYS[2], now, prefix)
  redis.call('PEXPIRE', KEYS[2], 3600000)
end
return {'ok'}`;
