#!lua flags=no-writes
-- Lists a tenant's sessions of one shard, newest creation first.
--
-- KEYS   index
-- ARGV   name, highest (inclusive)|'+inf', count
-- RESULT {name, {session id, created us, ...}}
-- EVENTS none
return {name, redis.call('ZREVRANGEBYSCORE', index, highest, '-inf', 'WITHSCORES', 'LIMIT', 0, count)}
