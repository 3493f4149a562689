#!lua
-- Tells how far an admitted request is: an event, or, when the last is young, a note that the next event brings along.
--
-- KEYS   head events requests queue lease tombstone due dirty log
-- ARGV   member, request_id, fraction (8 bytes, little-endian double), words, interval_ms, default_limit, ended_prefix,
--        retention s, channel, inline_limit, log_length
-- RESULT {member, 'ok', ms until the note can become an event | 0} {member, 'not_admitted', revision, request id}
--        {member, 'before', own, outcome, revision, why} {member, 'unknown'} {member, 'missing'} {member, 'deleted', revision}
-- EVENTS one, RequestProgressed, or none
--@include session
--@include now
--@include records
local rec = read_record(request_id)
if not rec then
  --@include before
end
if rec.state ~= '3' then return {member, 'not_admitted', revision, request_id} end
local note = redis.call('HGET', requests, 'p:' .. request_id) or '0\n0\n'
local last = tonumber(string.match(note, '^%d+'))
local wait = math.ceil((last - us) / 1000) + interval_ms
if wait > 0 then
  redis.call('HSET', requests, 'p:' .. request_id, string.format('%.0f', last) .. '\n1\n' .. fraction .. words)
  return {member, 'ok', wait}
end
--@include steps
redis.call('HSET', requests, 'p:' .. request_id, us .. '\n0\n' .. fraction .. words)
change(24, text(1, request_id) .. '\17' .. fraction .. text(3, words))
local label = rec.writer
--@include finish_step
return {member, 'ok', 0}
