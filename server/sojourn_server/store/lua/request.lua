#!lua flags=no-writes
-- Reads one live request, or how it ended.
--
-- KEYS   head requests queue lease tombstone
-- ARGV   member, request_id, ended_prefix
-- RESULT {member, 'ok', shown record} {member, 'before', own, outcome, revision, why} {member, 'unknown'}
--        {member, 'missing'} {member, 'deleted', revision}
-- EVENTS none
--@include session
--@include records
local rec = read_record(request_id)
if rec then return {member, 'ok', shown(rec)} end
--@include before
