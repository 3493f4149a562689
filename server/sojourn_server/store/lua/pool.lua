#!lua flags=no-writes
-- Reads a pool.
--
-- KEYS   scope waiting
-- ARGV   path
-- RESULT {path, size (0 = there is none), used, queued}
-- EVENTS none
local h = redis.call('HMGET', scope, 'size', 'used')
return {path, h[1] or '0', h[2] or '0', redis.call('ZCARD', waiting)}
