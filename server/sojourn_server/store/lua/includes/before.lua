-- Answers for a request that is not live: how it ended, or that the session does not know it. An earlier session with
-- the same name does not count. Expects uid, request_id, ended_prefix.
local of, own, was, at, reason = string.match(
  redis.call('GET', ended_prefix .. request_id) or '', '^(.-)\n(.-)\n(.-)\n(.-)\n(.*)$')
if of == uid then return {member, 'before', own, was, at, reason} end
return {member, 'unknown'}
