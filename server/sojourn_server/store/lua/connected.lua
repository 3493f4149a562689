#!lua
-- Notes how many watches and tracked streams of a shard's sessions are open at a worker, and removes what a dead worker
-- left, a piece a call.
--
-- KEYS   connections workers
-- ARGV   name, worker, lease_ms, then so many (member, count)
-- RESULT {name}
-- EVENTS none
--@include now
local now_ms = math.floor(us / 1000)
redis.call('ZADD', workers, now_ms + lease_ms, worker)

local fields, at_worker, counts = {}, worker, {}
for i = NARGS + 1, #ARGV, 2 do
  fields[#fields + 1] = ARGV[i]
  counts[ARGV[i]] = ARGV[i + 1]
end
-- unpack() is limited by Lua's stack: go in pieces.
for i = 1, #fields, 2000 do
  local to = math.min(i + 1999, #fields)
  local values = redis.call('HMGET', connections, unpack(fields, i, to))
  for j = i, to do
    local field, value = fields[j], values[j - i + 1] or ''
    local count = counts[field]
    --@include connected
  end
end

redis.call('HDEL', connections, '|' .. worker)
local dead = redis.call('ZRANGEBYSCORE', workers, '-inf', now_ms, 'LIMIT', 0, 1)[1]
if dead then
  -- The field `|<worker>` holds how far this is; the worker itself removes it when it comes back.
  local from = redis.call('HGET', connections, '|' .. dead) or '0'
  local piece = redis.call('HSCAN', connections, from, 'COUNT', 500)
  at_worker = dead
  for i = 1, #piece[2], 2 do
    local field, value, count = piece[2][i], piece[2][i + 1], '0'
    if string.sub(field, 1, 1) ~= '|' then
      --@include connected
    end
  end
  if piece[1] == '0' then
    redis.call('ZREM', workers, dead)
    redis.call('HDEL', connections, '|' .. dead)
  else
    redis.call('HSET', connections, '|' .. dead, piece[1])
  end
end
if redis.call('EXISTS', connections) == 0 then redis.call('UNLINK', workers) end
return {name}
