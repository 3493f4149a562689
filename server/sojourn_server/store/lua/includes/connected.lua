-- Adds to `count` the connections of `member` at each worker that is alive. Bounded; names connections, workers.
local known = redis.call('ZREVRANGE', workers, 0, 255, 'WITHSCORES')
local fields = {}
for i = 1, #known, 2 do fields[#fields + 1] = member .. '|' .. known[i] end
if fields[1] then
  local clock = nil
  for i, open in ipairs(redis.call('HMGET', connections, unpack(fields))) do
    if open then
      clock = clock or redis.call('TIME')
      if known[2 * i] - clock[1] * 1000 - clock[2] / 1000 > 0 then count = count + open end
    end
  end
end
