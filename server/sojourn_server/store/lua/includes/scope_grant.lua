-- Gives free slots to those who wait, in their order: the line whose turn it is, its earliest arrival, and then that line
-- goes to the end. A place whose lease ran out is dropped. Bounded: whoever calls next goes on. Expects what scope.lua
-- sets; adds the holders to `granted`.
local steps = 100
while used < most and steps > 0 do
  steps = steps - 1
  local line = redis.call('ZRANGE', turns, 0, 0)[1]
  if not line then break end
  local first = redis.call('ZRANGEBYLEX', waiting, '[' .. line .. '|', '(' .. line .. '}', 'LIMIT', 0, 1)[1]
  local left = redis.call('HINCRBY', scope, line, -1)
  local holder = string.sub(first, 37)
  local ttl = string.match(redis.call('HGET', scope, holder), '^w|(%d+)|')
  local entry = ttl .. '|s|' .. path .. '|' .. holder
  local deadline = redis.call('ZSCORE', lease, entry)
  redis.call('ZREM', waiting, first)
  if deadline and tonumber(deadline) > now_ms then
    --@include scope_slot
    redis.call('HSET', scope, holder, 'h|' .. ttl .. '|' .. slot .. '|' .. token)
    granted[#granted + 1] = holder
    turn = turn + 1
    if left > 0 then redis.call('ZADD', turns, string.sub(line, 1, 1) * 2 ^ 48 + turn, line) end
  else
    redis.call('HDEL', scope, holder)
    redis.call('ZREM', lease, entry)
  end
  if left == 0 then
    redis.call('HDEL', scope, line)
    redis.call('ZREM', turns, line)
  end
end
