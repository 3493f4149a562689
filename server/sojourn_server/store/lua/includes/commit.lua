-- Appends one event to the session's log and tells everybody: the tail of every committing script. Inline, not a
-- function: making closures costs every call. Expects: uid, incarnation, revision, us, and the names member,
-- events, log, channel, log_length, inline_limit, mask, body. The shard's log numbers its commits: 0-1, 0-2, ...
local seq = string.sub(redis.call('XADD', log, 'MAXLEN', '~', log_length, '0-*', 's', member, 'r', revision, 't', us), 3)
redis.call('XADD', events, revision .. '-0', 't', us, 'k', mask, 'q', seq, 'b', body)
local inline = body
if #body > tonumber(inline_limit) then inline = '' end
redis.call('SPUBLISH', channel, table.concat({member, uid, incarnation, revision, us, seq, mask, inline}, '\n'))
