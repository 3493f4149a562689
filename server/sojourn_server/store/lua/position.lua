#!lua flags=no-writes
-- Tells how far a shard is.
--
-- KEYS   shard_incarnation log
-- ARGV   name
-- RESULT {name, incarnation|'', sequence, commit us}
-- EVENTS none
--@include last
return {name, redis.call('GET', shard_incarnation) or '', last, last_us}
