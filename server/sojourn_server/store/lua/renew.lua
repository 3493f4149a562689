#!lua
-- Renews leases of a shard, each for the TTL in its name. One that has run out is never renewed.
--
-- KEYS   lease
-- ARGV   name, then the leases
-- RESULT {name, now ms, {0 | 1, ...}}
-- EVENTS none
--@include now
local now_ms = math.floor(us / 1000)
local done = {}
for i = NARGS + 1, #ARGV do
  local deadline = redis.call('ZSCORE', lease, ARGV[i])
  if deadline and tonumber(deadline) >= now_ms then
    redis.call('ZADD', lease, now_ms + string.match(ARGV[i], '^%d+'), ARGV[i])
    done[#done + 1] = 1
  else
    done[#done + 1] = 0
  end
end
return {name, string.format('%.0f', now_ms), done}
