#!lua flags=no-writes
-- Tells what is under a session's id: the session's uid, revision and incarnation, and the uid of the one that was
-- deleted last; and the shard's incarnation.
--
-- KEYS   head tombstone shard_incarnation
-- ARGV   member
-- RESULT {member, uid|'', deleted uid|'', incarnation of the shard|'', revision|0, incarnation of the session|''}
-- EVENTS none
local h = redis.call('HMGET', head, 'uid', 'rev', 'inc')
return {member, h[1] or '', redis.call('HGET', tombstone, 'uid') or '', redis.call('GET', shard_incarnation) or '',
  tonumber(h[2] or '0'), h[3] or ''}
