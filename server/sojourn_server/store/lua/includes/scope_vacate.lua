-- Takes the holder's slot or place away. Expects what scope.lua sets.
if string.sub(record, 1, 1) == 'h' then
  used = used - 1
  if used == 0 then
    redis.call('UNLINK', free)
  elseif pool == '1' then
    local slot = string.match(record, '^h|%d+|(%d+)|')
    redis.call('ZADD', free, slot, slot)
  end
else
  local place = string.match(record, '^w|%d+|(.+)$')
  local line = string.sub(place, 1, 18)
  redis.call('ZREM', waiting, place .. '|' .. holder)
  if redis.call('HINCRBY', scope, line, -1) == 0 then
    redis.call('HDEL', scope, line)
    redis.call('ZREM', turns, line)
  end
end
redis.call('HDEL', scope, holder)
redis.call('ZREM', lease, entry)
record = false
