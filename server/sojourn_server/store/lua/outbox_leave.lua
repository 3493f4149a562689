#!lua flags=allow-oom
-- Gives back the right to project a shard.
--
-- KEYS   projector
-- ARGV   name, worker
-- RESULT {name}
-- EVENTS none
if redis.call('GET', projector) == worker then redis.call('DEL', projector) end
return {name}
