#!lua flags=allow-oom
-- Creates, resizes or removes a pool. Slots that a larger one has more go to those who wait; who waits for one that is
-- removed loses the place. Bounded: with `more`, call again to go on. Allowed when memory is full: it may free some.
--
-- KEYS   scope turns waiting free lease
-- ARGV   path, new_size|'' (go on), pool (1), limit (0), holder ('')
-- RESULT {path, size, used, queued, more 0|1, {holders that got a slot, ...}}
-- EVENTS none
if new_size == '0' then
  redis.call('HDEL', scope, 'size')
elseif new_size ~= '' then
  redis.call('HSET', scope, 'size', new_size)
end
--@include scope
local granted = {}
if size then
  --@include scope_grant
else
  local dropped = redis.call('ZRANGE', waiting, 0, 99)
  for _, member in ipairs(dropped) do
    local waiter = string.sub(member, 37)
    local ttl = string.match(redis.call('HGET', scope, waiter), '^w|(%d+)|')
    redis.call('ZREM', lease, ttl .. '|s|' .. path .. '|' .. waiter)
    redis.call('HDEL', scope, waiter)
    local line = string.sub(member, 1, 18)
    if redis.call('HINCRBY', scope, line, -1) == 0 then
      redis.call('HDEL', scope, line)
      redis.call('ZREM', turns, line)
    end
  end
  if dropped[1] then redis.call('ZREMRANGEBYRANK', waiting, 0, #dropped - 1) end
end
--@include scope_keep
local queued = redis.call('ZCARD', waiting)
local more = (queued > 0 and (not size or used < most)) and 1 or 0
return {path, size or '0', used, queued, more, granted}
