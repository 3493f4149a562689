-- The session as every step of its requests needs it; answers for one that is not there. Expects head, tombstone.
local h = redis.call('HMGET', head, 'uid', 'inc', 'rev', 'status', 'dirty', 'idle', 'life', 'created', 'maxreq', 'fence',
  'ra', 'rq', 'bytes', 'c:failed_invocations', 'user', 'project')
local uid, incarnation, revision, status = h[1], h[2], h[3], h[4]
if not uid then
  local last = redis.call('HGET', tombstone, 'rev')
  if last then return {member, 'deleted', last} end
  return {member, 'missing'}
end
