#!lua
-- Opens a shard: gives it an incarnation when it has none, that is at first start and after its data was lost.
--
-- KEYS   shard_incarnation
-- ARGV   name, proposed
-- RESULT {name, incarnation}
-- EVENTS none
redis.call('SET', shard_incarnation, proposed, 'NX')
return {name, redis.call('GET', shard_incarnation)}
