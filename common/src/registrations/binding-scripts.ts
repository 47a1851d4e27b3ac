/**
 * Lua, because a REGISTER must change all of its bindings or none, whatever another edge does at the same moment (RFC 3261 §10.3
 * step 7). Time is that of Redis. A field's value is `<expires at> <CSeq> <Call-ID> <JSON>`: what the script compares stands before
 * the JSON, which it does not take apart (but for `registeredAt`, where bindings are put back). Both keys share the hash tag of the realm.
 */
const START = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local expires, cseq, callId = string.match(fields[i + 1], '^(%d+) (%d+) (%S+) ')
  if expires and tonumber(expires) > now then
    held[fields[i]] = { expires = tonumber(expires), cseq = tonumber(cseq), callId = callId, value = fields[i + 1] }
  else
    redis.call('HDEL', KEYS[1], fields[i])
  end
end
local function answer(word)
  local result = { word, now }
  for id, binding in pairs(held) do
    result[#result + 1] = id
    result[#result + 1] = binding.value
  end
  return result
end
local function finish(user)
  local last = 0
  for _, binding in pairs(held) do
    if binding.expires > last then last = binding.expires end
  end
  if last == 0 then
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2], user)
    return
  end
  redis.call('PEXPIREAT', KEYS[1], last)
  redis.call('ZADD', KEYS[2], last, user)
  local latest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', tonumber(latest[2])))
end
`;

/**
 * KEYS: bindings, users of the realm. ARGV: user, Call-ID, CSeq, most bindings of a user, most users of the realm (-1: any number),
 * then for each binding its id, its life in ms (0: remove it) and its JSON. Answers `order` (a later request of the same Call-ID has
 * been here: nothing was changed) or `full` (nothing was changed) or `ok`, the time, and all bindings that are left. When there are too many
 * of them, those that end first are removed.
 */
export const UPDATE_BINDINGS = `${START}
local user, callId, cseq = ARGV[1], ARGV[2], tonumber(ARGV[3])
local maxBindings, maxUsers = tonumber(ARGV[4]), tonumber(ARGV[5])
local adds = false
for i = 6, #ARGV, 3 do
  local old = held[ARGV[i]]
  if old and old.callId == callId and old.cseq >= cseq then return answer('order') end
  if tonumber(ARGV[i + 1]) > 0 then adds = true end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if adds and maxUsers >= 0 and not redis.call('ZSCORE', KEYS[2], user) and redis.call('ZCARD', KEYS[2]) >= maxUsers then
  return answer('full')
end
local fresh = {}
for i = 6, #ARGV, 3 do
  local id, life = ARGV[i], tonumber(ARGV[i + 1])
  if life > 0 then
    local expires = string.format('%.0f', now + life)
    local value = expires .. ' ' .. ARGV[3] .. ' ' .. callId .. ' ' .. ARGV[i + 2]
    held[id] = { expires = now + life, value = value }
    fresh[id] = true
    redis.call('HSET', KEYS[1], id, value)
  else
    held[id] = nil
    redis.call('HDEL', KEYS[1], id)
  end
end
while true do
  local count, first = 0, nil
  for id, binding in pairs(held) do
    count = count + 1
    if not fresh[id] and (not first or binding.expires < held[first].expires) then first = id end
  end
  if count <= maxBindings or not first then break end
  held[first] = nil
  redis.call('HDEL', KEYS[1], first)
end
finish(user)
return answer('ok')`;

/** KEYS as above. ARGV: user, Call-ID, CSeq. Removes all bindings, or none: `order` or `ok`, as above. */
export const CLEAR_BINDINGS = `${START}
for _, binding in pairs(held) do
  if binding.callId == ARGV[2] and binding.cseq >= tonumber(ARGV[3]) then return answer('order') end
end
held = {}
finish(ARGV[1])
return answer('ok')`;

/** KEYS as above. Answers `ok`, the time and all bindings. */
export const READ_BINDINGS = `${START}
return answer('ok')`;

/** KEYS as above. ARGV: user, then ids and values as they were. Puts back what Redis has lost, except where it has something that was registered later. */
export const RESTORE_BINDINGS = `${START}
-- Inside of a text of JSON quotes stand behind a backslash: this is no user agent's or contact's.
local function registeredAt(value)
  return tonumber(string.match(value, '"registeredAt":(%d+)') or 0)
end
local function isNewer(held, value, expires)
  local before, at = registeredAt(held.value), registeredAt(value)
  return at > before or (at == before and expires > held.expires)
end
for i = 2, #ARGV, 2 do
  local id, value = ARGV[i], ARGV[i + 1]
  local expires = tonumber(string.match(value, '^(%d+) '))
  if expires > now and (not held[id] or isNewer(held[id], value, expires)) then
    held[id] = { expires = expires, value = value }
    redis.call('HSET', KEYS[1], id, value)
  end
end
finish(ARGV[1])
return answer('ok')`;

/** KEYS as above. ARGV: user, then ids and values. Removes those bindings that are as they were. */
export const FORGET_BINDINGS = `${START}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  if held[id] and held[id].value == ARGV[i + 1] then
    held[id] = nil
    redis.call('HDEL', KEYS[1], id)
  end
end
finish(ARGV[1])
return answer('ok')`;
