#!lua flags=allow-oom
-- Drops the events below a revision from a session's log.
--
-- KEYS   head events
-- ARGV   member, before (first revision to keep)
-- RESULT {member, 'ok', oldest} {member, 'missing'}
-- EVENTS none
local h = redis.call('HMGET', head, 'rev', 'oldest')
if not h[1] then return {member, 'missing'} end
local keep = math.min(tonumber(before), h[1] + 1)
if keep > tonumber(h[2] or '1') then
  redis.call('XTRIM', events, 'MINID', keep .. '-0')
  redis.call('HSET', head, 'oldest', keep)
  return {member, 'ok', keep}
end
return {member, 'ok', tonumber(h[2] or '1')}
