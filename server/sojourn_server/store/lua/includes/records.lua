-- Reads and writes the records of a session's live requests. Expects member, requests, lease.
local FIELDS = {'state', 'order', 'attachment', 'token', 'lease_ms', 'priority', 'policy', 'exclusive', 'begin_us',
  'admit_us', 'queue_deadline', 'slot', 'slot_token', 'wide', 'pool', 'user', 'project', 'writer', 'name'}
local function read_record(id)
  local raw = redis.call('HGET', requests, 'q:' .. id)
  if not raw then return nil end
  local rec, i = {id = id, raw = raw}, 0
  for part in string.gmatch(raw .. '\n', '(.-)\n') do
    i = i + 1
    rec[FIELDS[i]] = part
  end
  rec.lease = rec.lease_ms .. '|r|' .. member .. '/' .. id
  return rec
end
local function save_record(rec)
  local parts = {}
  for i, field in ipairs(FIELDS) do parts[i] = rec[field] end
  rec.raw = table.concat(parts, '\n')
  redis.call('HSET', requests, 'q:' .. rec.id, rec.raw)
end
-- A record as every answer shows it: {id, record, place in the queue, lease deadline ms, {reason}|{}, progress|''}.
local function shown(rec)
  local position = 0
  if rec.state == '1' then position = (redis.call('ZRANK', queue, rec.order .. '/' .. rec.id) or -1) + 1 end
  local notes = redis.call('HMGET', requests, 'c:' .. rec.id, 'p:' .. rec.id)
  return {rec.id, rec.raw, position, redis.call('ZSCORE', lease, rec.lease) or '0',
    notes[1] and {notes[1]} or {}, notes[2] or ''}
end
