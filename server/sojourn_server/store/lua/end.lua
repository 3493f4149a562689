#!lua
-- Ends a session: asked for by a caller, or because its time is over. Its queued requests end with it; admitted ones
-- stay until they finish.
--
-- KEYS   head events requests queue lease tombstone due dirty log idempotency
-- ARGV   member, to (status), why, label, when, expected_revision|'', required_status|'', fencing_token|'', known|'',
--        fingerprint|'', default_limit, ended_prefix, retention s, channel, inline_limit, log_length
--        `when`: asked; due (only when its time is over, `why` is found here); room (only when it has no live request).
-- RESULT {member, 'ok', revision, commit us, uid, incarnation, replayed 0|1} {member, 'not_due'} {member, 'missing'}
--        {member, 'deleted', revision} {member, 'ended', revision, status} {member, 'revision', revision}
--        {member, 'status', revision, status} {member, 'fence', revision} {member, 'reused', revision}
--        {member, 'replaced', revision} {member, 'rolled_back', revision}
-- EVENTS one: StatusChanged, and RequestFinished of each request that was queued
--@include recall
if first then
  if first.fingerprint ~= fingerprint then return {member, 'reused', first.revision} end
  return {member, 'ok', first.revision, first.us, first.uid, first.incarnation, 1}
end
--@include session
--@include known
if expected_revision ~= '' and expected_revision ~= revision then return {member, 'revision', revision} end
if required_status ~= '' and required_status ~= status then return {member, 'status', revision, status} end
if status ~= '1' then
  redis.call('ZREM', due, member)
  return {member, 'ended', revision, status}
end
if fencing_token ~= '' and redis.call('HEXISTS', requests, 'f:' .. fencing_token) == 0 then
  return {member, 'fence', revision}
end
--@include now
--@include records
--@include steps
if when ~= 'asked' and admitted + queued > 0 then
  redis.call('ZREM', due, member) -- the request that leaves last starts the clock anew
  return {member, 'not_due'}
end
if when == 'due' then
  local at, idle, life = nil, h[6], h[7]
  if idle then
    at = redis.call('HGET', head, 'updated') / 1000 + idle
    why = string.format('idle for %.3g s', idle / 1000)
  end
  if life and (not at or h[8] / 1000 + life < at) then
    at = h[8] / 1000 + life
    why = string.format('older than %.3g s', life / 1000)
  end
  if not at then
    redis.call('ZREM', due, member)
    return {member, 'not_due'}
  end
  if at > us / 1000 then
    redis.call('ZADD', due, string.format('%.0f', at), member)
    return {member, 'not_due'}
  end
end

change(21, number(1, to) .. text(2, why))
for _, field in ipairs(redis.call('HKEYS', requests)) do
  if string.sub(field, 1, 2) == 'q:' then
    local rec = read_record(string.sub(field, 3))
    if rec.state ~= '3' then leave(rec, '3', 'the session ended', '0') end
  end
end
status = to
redis.call('HSET', head, 'status', to, 'ended', us)
if why ~= '' then redis.call('HSET', head, 'error', why) else redis.call('HDEL', head, 'error') end
--@include finish_step
if when == 'asked' then
  --@include remember
end
return {member, 'ok', revision, us, uid, incarnation, 0}
