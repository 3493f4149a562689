#!lua flags=no-writes
-- Lists the names of a tenant's pools.
--
-- KEYS   registry
-- ARGV   name
-- RESULT {name, {pool, ...}}
-- EVENTS none
return {name, redis.call('SMEMBERS', registry)}
