#!lua
-- Commits one write to a session: checks the precondition, applies the effects, appends the event; all or nothing.
--
-- KEYS   head events requests tombstone idempotency due dirty log
-- ARGV   member, expected_revision|'', required_status|'', fencing_token|'', known|'', on_ended 0|1, max_bytes,
--        fingerprint|'', retention s, mask, body, channel, inline_limit, log_length, then the counts n_sets, n_deletes,
--        n_state_increments, n_increments, n_stamps, n_requests, n_expects, then so many (field, value), field,
--        (field, delta), fields and then as many deltas, field, request that must be admitted, (field, value it must have)
-- RESULT {member, 'ok', revision, commit us, uid, incarnation, replayed 0|1}
--        {member, 'missing'} {member, 'deleted', revision} {member, 'ended', revision, status}
--        {member, 'revision', revision} {member, 'status', revision, status} {member, 'fence', revision}
--        {member, 'not_admitted', revision, request id} {member, 'changed', revision, field}
--        {member, 'replaced', revision} {member, 'rolled_back', revision}
--        {member, 'bytes', revision, actual, limit} {member, 'not_integer', revision, field}
--        {member, 'overflow', revision, field} {member, 'reused', revision}
-- EVENTS one, revision + 1, with `body`
local sets_from = NARGS + 1
local sets_to = NARGS + 2 * n_sets
local deletes_to = sets_to + n_deletes
local state_increments_to = deletes_to + 2 * n_state_increments
local counters_to = state_increments_to + n_increments
local deltas_to = counters_to + n_increments
local stamps_to = deltas_to + n_stamps

local h = redis.call('HMGET', head, 'uid', 'inc', 'rev', 'status', 'bytes', 'idle', 'life', 'created', 'dirty',
  unpack(ARGV, state_increments_to + 1, counters_to))
local uid, incarnation, revision, status = h[1], h[2], h[3], h[4]

--@include recall
-- Whatever became of the session since: a write happens at most once, and its retry learns what it became.
if first then
  if first.fingerprint ~= fingerprint then return {member, 'reused', revision or first.revision} end
  return {member, 'ok', first.revision, first.us, first.uid, first.incarnation, 1}
end

if not uid then
  local last = redis.call('HGET', tombstone, 'rev')
  if last then return {member, 'deleted', last} end
  return {member, 'missing'}
end

--@include known
if expected_revision ~= '' and expected_revision ~= revision then return {member, 'revision', revision} end
if required_status ~= '' and required_status ~= status then return {member, 'status', revision, status} end
if status ~= '1' and on_ended ~= '1' then return {member, 'ended', revision, status} end
if fencing_token ~= '' and redis.call('HEXISTS', requests, 'f:' .. fencing_token) == 0 then
  return {member, 'fence', revision}
end

for i = stamps_to + 1, stamps_to + n_requests do
  -- An invocation under a request that has left would never be closed.
  local record = redis.call('HGET', requests, 'q:' .. ARGV[i])
  if not record or string.sub(record, 1, 2) ~= '3\n' then return {member, 'not_admitted', revision, ARGV[i]} end
end

for i = stamps_to + n_requests + 1, stamps_to + n_requests + 2 * n_expects, 2 do
  if (redis.call('HGET', head, ARGV[i]) or '') ~= ARGV[i + 1] then return {member, 'changed', revision, ARGV[i]} end
end

local grown, before = 0, nil
for i = 1, n_increments do
  -- Uses of a tool are counted by the caller's names for tools: a new name takes room.
  local field = ARGV[state_increments_to + i]
  if not h[9 + i] and string.sub(field, 1, 2) == 'u:' then grown = grown + #field end
end

if state_increments_to > NARGS or grown > 0 then
  --@include growth
  local estimate = grown
  before = {}
  for i = deletes_to + 1, state_increments_to, 2 do
    before[i] = redis.call('HGET', head, ARGV[i])
    if not before[i] then estimate = estimate + #ARGV[i] + 20 end
  end
  local bytes = (h[5] or 0) + estimate
  if estimate > 0 and bytes > tonumber(max_bytes) then
    return {member, 'bytes', revision, string.format('%.0f', bytes), max_bytes}
  end
  -- Increments of what callers wrote may fail, so they come first; what was done is undone exactly.
  for i = deletes_to + 1, state_increments_to, 2 do
    local field = ARGV[i]
    local sum = redis.pcall('HINCRBY', head, field, ARGV[i + 1])
    if type(sum) == 'table' then
      for j = deletes_to + 1, i - 2, 2 do
        if before[j] then redis.call('HSET', head, ARGV[j], before[j]) else redis.call('HDEL', head, ARGV[j]) end
      end
      local tag = 'not_integer'
      if string.find(sum.err, 'overflow', 1, true) then tag = 'overflow' end
      return {member, tag, revision, field}
    end
    grown = grown + redis.call('HSTRLEN', head, field) - #(before[i] or '')
    if not before[i] then grown = grown + #field end
  end
end

--@include now
revision = string.format('%d', revision + 1)
local fields = {'rev', revision, 'updated', us}
for i = 1, n_increments do
  -- Our own counters were read above: one HSET is cheaper than an increment each.
  fields[#fields + 1] = ARGV[state_increments_to + i]
  fields[#fields + 1] = string.format('%.0f', (h[9 + i] or 0) + ARGV[counters_to + i])
end
for i = deltas_to + 1, stamps_to do
  fields[#fields + 1] = ARGV[i]
  fields[#fields + 1] = us
end
if grown ~= 0 then
  fields[#fields + 1] = 'bytes'
  fields[#fields + 1] = string.format('%.0f', (h[5] or 0) + grown)
end
if not h[9] then
  fields[#fields + 1] = 'dirty'
  fields[#fields + 1] = 1
  redis.call('ZADD', dirty, 'NX', seconds, member)
end
redis.call('HSET', head, unpack(fields))
if deletes_to > NARGS then
  --@include pieces
  in_pieces('HSET', sets_from, sets_to)
  in_pieces('HDEL', sets_to + 1, deletes_to)
end

if h[6] or h[7] then
  local active, idle, life, created = redis.call('HGET', head, 'status') == '1', h[6], h[7], h[8]
  --@include due
end

--@include commit
--@include remember
return {member, 'ok', revision, us, uid, incarnation, 0}
