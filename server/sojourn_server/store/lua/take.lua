#!lua
-- Takes a slot of a scope, or a place in its queue; says what the request has when it has either already.
--
-- KEYS   scope turns waiting free lease
-- ARGV   path, holder, pool 0|1, limit (0 = none; of a pool its size counts), rank (9 - priority), user (16 digits),
--        lease_ms, wait 0|1, max_queued
-- RESULT {path, 'held', slot, token} {path, 'waits', position} {path, 'missing'} {path, 'full', limit} {path, 'crowded'}
-- EVENTS none
--@include scope
if runs and string.sub(record, 1, 1) == 'h' then
  local slot, token = string.match(record, '^h|%d+|(%d+)|(%d+)$')
  return {path, 'held', slot, token}
end
if pool == '1' and not size then return {path, 'missing'} end

-- A lease that ran out is never renewed: what it held is given back, and the request begins anew.
if record and not runs then
  --@include scope_vacate
end
local granted = {}
if used < most then
  --@include scope_grant
  if record and granted[1] then record = redis.call('HGET', scope, holder) end
end

local answer = nil
if record then
  local slot, token = string.match(record, '^h|%d+|(%d+)|(%d+)$')
  if slot then answer = {path, 'held', slot, token} end
elseif used < most and redis.call('EXISTS', waiting) == 0 then
  --@include scope_slot
  redis.call('HSET', scope, holder, 'h|' .. lease_ms .. '|' .. slot .. '|' .. token)
  redis.call('ZADD', lease, now_ms + lease_ms, lease_ms .. '|s|' .. path .. '|' .. holder)
  answer = {path, 'held', slot, token}
elseif wait ~= '1' then
  answer = {path, 'full', string.format('%.0f', most)}
elseif redis.call('ZCARD', waiting) >= tonumber(max_queued) then
  answer = {path, 'crowded'}
else
  turn = turn + 1
  local line = rank .. '|' .. user
  local place = line .. '|' .. string.format('%016.0f', turn)
  redis.call('ZADD', waiting, 0, place .. '|' .. holder)
  redis.call('ZADD', turns, 'NX', rank * 2 ^ 48 + turn, line)
  record = 'w|' .. lease_ms .. '|' .. place
  redis.call('HSET', scope, holder, record)
  redis.call('HINCRBY', scope, line, 1)
  redis.call('ZADD', lease, now_ms + lease_ms, lease_ms .. '|s|' .. path .. '|' .. holder)
end
--@include scope_keep
if answer then return answer end
--@include scope_place
return {path, 'waits', position}
