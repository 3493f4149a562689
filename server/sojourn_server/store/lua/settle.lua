#!lua
-- Ends a shard's doubt, unless there is a new one.
--
-- KEYS   shard_incarnation run
-- ARGV   name, incarnation, doubt
-- RESULT {name, 'ok'|'other'}
-- EVENTS none
local process, now = string.match(redis.call('GET', run) or '', '^([^|]*)|(.*)$')
if now ~= doubt or redis.call('GET', shard_incarnation) ~= incarnation then return {name, 'other'} end
redis.call('SET', run, process)
return {name, 'ok'}
