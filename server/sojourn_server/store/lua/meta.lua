#!lua
-- Fixes the number of shards and the format at the first start; later starts learn what was fixed.
--
-- KEYS   meta
-- ARGV   name, shards, format
-- RESULT {name, shards, format}
-- EVENTS none
redis.call('HSETNX', meta, 'shards', shards)
redis.call('HSETNX', meta, 'format', format)
return {name, redis.call('HGET', meta, 'shards'), redis.call('HGET', meta, 'format')}
