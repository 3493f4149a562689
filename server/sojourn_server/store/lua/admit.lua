#!lua
-- Admits a request that holds the session's slot and has taken the slots of its wider scopes.
--
-- KEYS   head events requests queue lease tombstone due dirty log
-- ARGV   member, request_id, slot, slot_token, default_limit, ended_prefix, retention s, channel, inline_limit, log_length
-- RESULT {member, 'ok', shown record} {member, 'gone'} {member, 'missing'} {member, 'deleted', revision}
-- EVENTS one, RequestAdmitted; none when it was admitted before
--@include session
--@include now
--@include records
local rec = read_record(request_id)
if not rec or rec.state == '1' then return {member, 'gone'} end
if rec.state == '3' then return {member, 'ok', shown(rec)} end
if tonumber(redis.call('ZSCORE', lease, rec.lease) or 0) < math.floor(us / 1000) then return {member, 'gone'} end
--@include steps
rec.slot, rec.slot_token = slot, slot_token
admit(rec)
local label = ''
--@include finish_step
return {member, 'ok', shown(rec)}
