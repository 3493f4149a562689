-- Sets `position`: how many slots will be given up to the holder's own if nobody else comes. Beyond 50 users of its
-- priority it is an estimate. Expects record; names scope, waiting, turns, holder.
local place = string.match(record, '^w|%d+|(.+)$')
local line, from = string.sub(place, 1, 18), string.sub(place, 1, 2)
local earlier = redis.call('ZLEXCOUNT', waiting, '[' .. line .. '|', '(' .. place .. '|' .. holder)
local base = string.sub(line, 1, 1) * 2 ^ 48
local beyond = '(' .. string.format('%.0f', base + 2 ^ 48)
local lines_ahead = redis.call('ZRANK', turns, line) - redis.call('ZCOUNT', turns, '-inf', '(' .. string.format('%.0f', base))
local position = redis.call('ZLEXCOUNT', waiting, '-', '(' .. from) + lines_ahead + earlier + 1
if earlier > 0 then
  -- Every other line has had one more turn (those ahead: counted above) for each of the holder's earlier requests.
  local lines = redis.call('ZRANGEBYSCORE', turns, base, beyond, 'LIMIT', 0, 51)
  local counts = redis.call('HMGET', scope, unpack(lines))
  local seen = 0
  for i, count in ipairs(counts) do
    seen = seen + count
    if i ~= lines_ahead + 1 then
      local ahead = i <= lines_ahead and 1 or 0
      position = position + math.min(count - ahead, earlier)
    end
  end
  if #lines == 51 then
    local others = redis.call('ZLEXCOUNT', waiting, '[' .. from, '(' .. string.sub(line, 1, 1) .. '}') - seen
    position = position + math.min(others, earlier * (redis.call('ZCOUNT', turns, base, beyond) - 51))
  end
end
