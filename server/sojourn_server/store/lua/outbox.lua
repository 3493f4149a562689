#!lua
-- Lists the sessions of a shard whose catalog rows are behind, oldest first: to the worker that projects the shard, or,
-- without a worker, to whoever asks. Writes nothing while none is behind, and seldom else: workers ask all the time.
--
-- KEYS   dirty projector
-- ARGV   name, worker|'', worker_ms, count
-- RESULT {name, 'held'} {name, 'ok', now s, {member, behind since s, ...}, how many there are}
-- EVENTS none
local now, size = redis.call('TIME')[1], redis.call('ZCARD', dirty)
if size == 0 then return {name, 'ok', now, {}, 0} end
if worker ~= '' then
  local holder = redis.call('GET', projector)
  if holder and holder ~= worker then return {name, 'held'} end
  if not holder or redis.call('PTTL', projector) < worker_ms / 2 then
    redis.call('SET', projector, worker, 'PX', worker_ms)
  end
end
return {name, 'ok', now, redis.call('ZRANGE', dirty, 0, count - 1, 'WITHSCORES'), size}
