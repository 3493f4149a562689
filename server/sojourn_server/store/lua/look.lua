#!lua flags=no-writes
-- Tells what is known of a shard's data: see store/shards.py.
--
-- KEYS   shard_incarnation run
-- ARGV   name
-- RESULT {name, incarnation|'', doubt}
-- EVENTS none
return {name, redis.call('GET', shard_incarnation) or '', string.match(redis.call('GET', run) or '', '|(.*)$') or ''}
