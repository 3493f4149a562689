#!lua
-- Notes that a tenant has a pool of this name, or has it no more.
--
-- KEYS   registry
-- ARGV   name, pool, there 0|1
-- RESULT {name}
-- EVENTS none
redis.call(there == '1' and 'SADD' or 'SREM', registry, pool)
return {name}
