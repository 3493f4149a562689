#!lua
-- Begins a request: admits it, queues it, lets it reserve wider slots, or takes the live one with its id up again.
--
-- KEYS   head events requests queue lease tombstone due dirty log
-- ARGV   member, request_id, resume 0|1, name, priority, policy, exclusive 0|1, lease_ms, queue_ms (0 none), wide, pool,
--        reserved 0|1, slot, slot_token, expected_revision|'', required_status|'', known|'', label, default_limit, max_queued,
--        ended_prefix, retention s, channel, inline_limit, log_length
--        `wide` is the kinds of wider scopes as digits; `reserved` 1: their slots are taken already.
-- RESULT {member, 'ok'|'resumed', shown record, revision, {{id, wide, pool, user, project} of each it replaced},
--        {ids that reserve now}}
--        {member, 'unknown'} {member, 'before', own, outcome, revision, why} {member, 'lapsed'} {member, 'full', limit}
--        {member, 'queue_full'} {member, 'missing'} {member, 'deleted', revision} {member, 'ended', revision, status}
--        {member, 'revision', revision} {member, 'status', revision, status} {member, 'replaced', revision}
--        {member, 'rolled_back', revision}
-- EVENTS one: what it replaced, whom it asks to stop, RequestQueued or RequestAdmitted; none when resumed
--@include session
--@include now
--@include records
local now_ms = math.floor(us / 1000)
local rec = read_record(request_id)
if rec then
  if tonumber(redis.call('ZSCORE', lease, rec.lease) or 0) < now_ms then return {member, 'lapsed'} end
  rec.attachment = string.format('%d', rec.attachment + 1)
  save_record(rec)
  redis.call('ZADD', lease, now_ms + rec.lease_ms, rec.lease)
  return {member, 'resumed', shown(rec), revision, {}}
end
if resume == '1' then
  --@include before
end

--@include known
if expected_revision ~= '' and expected_revision ~= revision then return {member, 'revision', revision} end
if required_status ~= '' and required_status ~= status then return {member, 'status', revision, status} end
if status ~= '1' then return {member, 'ended', revision, status} end

--@include steps
local user, project = h[15] or '', h[16] or ''
if user == '' then wide = string.gsub(wide, '2', '') end
if project == '' then wide = string.gsub(wide, '3', '') end
local arrival = tonumber(redis.call('HGET', requests, 'n') or 0) + 1
rec = {
  id = request_id, state = '1', attachment = '1', token = '0', lease_ms = lease_ms, priority = priority, policy = policy,
  exclusive = exclusive, begin_us = us, admit_us = '0', queue_deadline = '0', slot = slot, slot_token = slot_token,
  wide = wide, pool = pool, user = user, project = project, writer = label, name = name,
  order = string.format('%d%d%012d', policy == '3' and 0 or 1, 9 - priority, arrival),
  lease = lease_ms .. '|r|' .. member .. '/' .. request_id,
}
if queue_ms ~= '0' then rec.queue_deadline = string.format('%.0f', us + queue_ms * 1000) end

local first = redis.call('ZRANGE', queue, 0, 0)[1]
local at_once = fits(rec) and (not first or rec.order < first or policy == '4')
if (policy == '2' or reserved == '1') and not at_once then
  return {member, 'full', (alone or exclusive == '1') and 1 or string.format('%d', limit)}
end
if not at_once and policy ~= '4' and queued >= tonumber(max_queued) then return {member, 'queue_full'} end

local replaced = {}
-- The others that live here, when this one moves them.
local function others(state_wanted)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', requests)) do
    if string.sub(field, 1, 2) == 'q:' then
      local other = read_record(string.sub(field, 3))
      if string.find(state_wanted, other.state, 1, true) then found[#found + 1] = other end
    end
  end
  return found
end
if policy == '4' then
  for _, other in ipairs(others('12')) do
    replaced[#replaced + 1] = leave(other, '3', 'replaced by ' .. request_id, '0')
  end
  at_once = fits(rec)
elseif policy == '3' and not at_once then
  -- Only as many are asked to stop as those who interrupt need, the least important and then the longest admitted
  -- first; who was asked before is leaving already.
  local holders, leaving = {}, 0
  for _, other in ipairs(others('23')) do
    if redis.call('HEXISTS', requests, 'c:' .. other.id) == 1 then
      leaving = leaving + 1
    else
      holders[#holders + 1] = other
    end
  end
  table.sort(holders, function(a, b)
    if a.priority ~= b.priority then return a.priority < b.priority end
    if a.admit_us ~= b.admit_us then return a.admit_us < b.admit_us end
    return a.order < b.order
  end)
  local waiting = #redis.call('ZRANGEBYLEX', queue, '[0', '(1')
  local need = waiting + 1 - math.max(limit - held, 0) - leaving
  if exclusive == '1' or alone then need = #holders end
  for i = 1, math.min(need, #holders) do
    local other, why = holders[i], 'interrupted by ' .. request_id
    if other.state == '2' then
      replaced[#replaced + 1] = leave(other, '3', why, '0')
    else
      redis.call('HSET', requests, 'c:' .. other.id, why)
      change(29, text(1, other.id) .. text(2, why))
    end
  end
  at_once = fits(rec) and (not first or rec.order < first)
end

redis.call('HSET', requests, 'n', arrival)
redis.call('ZADD', lease, now_ms + lease_ms, rec.lease)
queued = queued + 1
if at_once and (wide == '' or reserved == '1') then
  held = held + 1
  if exclusive == '1' then alone = true end
  admit(rec)
else
  local inner = text(1, request_id) .. text(2, name) .. number(3, priority)
  if exclusive == '1' then inner = inner .. number(4, 1) end
  inner = inner .. text(5, pool)
  if policy == '3' then inner = inner .. number(6, 1) end
  change(22, inner)
  if rec.queue_deadline ~= '0' then
    redis.call('ZADD', lease, now_ms + queue_ms, '0|t|' .. member .. '/' .. request_id)
  end
  if at_once then
    hold(rec)
  else
    redis.call('ZADD', queue, 0, rec.order .. '/' .. request_id)
    save_record(rec)
    if #replaced > 0 then
      promote() -- who gave way may have made room for another
      rec = read_record(request_id)
    end
  end
end
--@include finish_step
return {member, 'ok', shown(rec), revision, replaced, reserving}
