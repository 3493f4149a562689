#!lua flags=no-writes
-- Tells what is under a session's id: the uid of the session, and of the one that was deleted last; and the shard's
-- incarnation.
--
-- KEYS   head tombstone shard_incarnation
-- ARGV   member
-- RESULT {member, uid|'', deleted uid|'', incarnation|''}
-- EVENTS none
return {member, redis.call('HGET', head, 'uid') or '', redis.call('HGET', tombstone, 'uid') or '',
  redis.call('GET', shard_incarnation) or ''}
