#!lua
-- Opens a shard: gives it an incarnation when it has none, that is at first start and after its data was lost; and
-- gives every lease one TTL more when another process serves it than before, because nobody could renew meanwhile.
--
-- KEYS   shard_incarnation run lease
-- ARGV   name, proposed, run_id|''
-- RESULT {name, incarnation}
-- EVENTS none
redis.call('SET', shard_incarnation, proposed, 'NX')
if run_id ~= '' and redis.call('GET', run) ~= run_id then
  --@include now
  local now_ms = math.floor(us / 1000)
  local leases = redis.call('ZRANGE', lease, 0, -1, 'WITHSCORES')
  for i = 1, #leases, 2 do
    local again = now_ms + string.match(leases[i], '^%d+')
    if again > tonumber(leases[i + 1]) then redis.call('ZADD', lease, string.format('%.0f', again), leases[i]) end
  end
  redis.call('SET', run, run_id)
end
return {name, redis.call('GET', shard_incarnation)}
