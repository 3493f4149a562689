#!lua
-- Ends a request, or asks it to stop; its open invocations are closed and the next ones of the queue admitted.
--
-- KEYS   head events requests queue lease tombstone due dirty log
-- ARGV   member, request_id, how, attachment|'', outcome|'', why, label, default_limit, ended_prefix, retention s, channel,
--        inline_limit, log_length
--        `how`: finish (by its holder), detach (its stream ended, and it was not taken up since: `attachment`), lose (its
--        lease ran out), time_out (its queue timeout is over), cancel, force, drop (only one that is not admitted).
-- RESULT {member, 'left', outcome, revision, why, {id, wide, pool, user, project}, {ids that reserve now}}
--        {member, 'told', revision|0} (admitted: it was asked to stop) {member, 'not_due'} (the condition does not hold)
--        {member, 'before', own, outcome, revision, why} (it had left) {member, 'unknown'}
--        {member, 'missing'} {member, 'deleted', revision}
-- EVENTS one: invocations closed, RequestFinished, RequestLost or RequestCancelRequested, RequestAdmitted of others
--@include session
--@include now
--@include records
local now_ms = math.floor(us / 1000)
local rec = read_record(request_id)
if not rec then
  --@include before
end
if how == 'detach' and attachment ~= rec.attachment then return {member, 'not_due'} end
if how == 'drop' and rec.state == '3' then return {member, 'not_due'} end
if how == 'lose' and tonumber(redis.call('ZSCORE', lease, rec.lease) or 0) >= now_ms then return {member, 'not_due'} end
if how == 'time_out' and (rec.state == '3' or rec.queue_deadline == '0' or tonumber(rec.queue_deadline) > tonumber(us)) then
  return {member, 'not_due'}
end
--@include steps
if how == 'cancel' and rec.state == '3' then
  if redis.call('HEXISTS', requests, 'c:' .. request_id) == 1 then return {member, 'told', 0} end
  redis.call('HSET', requests, 'c:' .. request_id, why)
  change(29, text(1, request_id) .. text(2, why))
  --@include finish_step
  return {member, 'told', revision}
end
local own = '0'
if how == 'finish' then
  own = '1'
  if rec.state ~= '3' then outcome = '3' end -- what was never admitted cannot have been done
elseif how == 'detach' or how == 'lose' or how == 'force' then
  outcome = '4'
elseif how == 'time_out' then
  outcome = '5'
elseif how == 'cancel' then
  outcome = '3'
end
local left = leave(rec, outcome, why, own)
promote()
--@include finish_step
return {member, 'left', outcome, revision, why, left, reserving}
