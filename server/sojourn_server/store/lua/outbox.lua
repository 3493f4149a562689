#!lua
-- Lists the sessions of a shard whose catalog rows are behind, oldest first: to the worker that projects the shard, or,
-- without a worker, to whoever asks.
--
-- KEYS   dirty projector
-- ARGV   name, worker|'', worker_ms, count
-- RESULT {name, 'held'} {name, 'ok', now s, {member, behind since s, ...}, how many there are}
-- EVENTS none
if worker ~= '' then
  local holder = redis.call('GET', projector)
  if holder and holder ~= worker then return {name, 'held'} end
  redis.call('SET', projector, worker, 'PX', worker_ms)
end
local behind = redis.call('ZRANGE', dirty, 0, count - 1, 'WITHSCORES')
return {name, 'ok', redis.call('TIME')[1], behind, redis.call('ZCARD', dirty)}
