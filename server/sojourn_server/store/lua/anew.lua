#!lua flags=allow-oom
-- Gives a shard that lost history another incarnation, once for all who noticed: what it lost is to be looked for, see
-- store/shards.py, and until then the filter knows nothing for certain, because it may have lost bits too. Sessions keep
-- the incarnation they have.
--
-- KEYS   shard_incarnation run elsewhere
-- ARGV   name, was (the incarnation that lost history), proposed
-- RESULT {name, incarnation}
-- EVENTS none
local present = redis.call('GET', shard_incarnation)
if not present or present == was then
  redis.call('SET', shard_incarnation, proposed)
  redis.call('SET', run, string.match(redis.call('GET', run) or '', '^[^|]*') .. '|!')
  if redis.call('EXISTS', elsewhere) == 1 then redis.call('SETBIT', elsewhere, 131072, 0) end
  present = proposed
end
return {name, present}
