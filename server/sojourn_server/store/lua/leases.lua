#!lua flags=no-writes
-- Lists the requests of a shard by their leases.
--
-- KEYS   lease
-- ARGV   name
-- RESULT {name, {lease, ...}}
-- EVENTS none
return {name, redis.call('ZRANGE', lease, 0, -1)}
