-- Appends one event to a session's log and tells everybody: the shared tail of every committing script.
-- Uses the names: member, head, events, dirty, sequence, log, channel, log_length, inline_limit.
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function digits(n)
  return string.format('%.0f', n)
end

local function commit(uid, incarnation, revision, us, mask, body)
  local seq = redis.call('INCR', sequence)
  redis.call('XADD', events, revision .. '-0', 't', us, 'k', mask, 'q', seq, 'b', body)
  redis.call('XADD', log, 'MAXLEN', '~', log_length, seq .. '-0', 's', member, 'r', revision)
  redis.call('ZADD', dirty, 'NX', string.sub(us, 1, -4), member)
  if #body > tonumber(inline_limit) then body = '' end
  redis.call('SPUBLISH', channel, table.concat({member, uid, incarnation, revision, us, seq, mask, body}, '\n'))
end
