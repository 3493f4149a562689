#!lua flags=no-writes
-- Tells how far a shard is.
--
-- KEYS   shard_incarnation sequence
-- ARGV   name
-- RESULT {name, incarnation|'', sequence}
-- EVENTS none
return {name, redis.call('GET', shard_incarnation) or '', redis.call('GET', sequence) or '0'}
