-- One step of a session's requests: collects changes for its event, keeps who holds the session's slots, and `finish_step`
-- commits all of it. Expects what `session`, `now` and `records` give, and the names head, events, requests, queue,
-- lease, due, dirty, log, channel, inline_limit, log_length, default_limit, retention, ended_prefix.
--
-- A change is encoded as protobuf (https://protobuf.dev/programming-guides/encoding/) by the numbers of event.proto:
-- only a script knows which requests a step moves.
local changes, mask = {}, 0
local function varint(n)
  local out = {}
  n = tonumber(n)
  while n > 127 do
    local low = n % 128
    out[#out + 1] = string.char(low + 128)
    n = (n - low) / 128
  end
  out[#out + 1] = string.char(n)
  return table.concat(out)
end
local function text(field, s)
  if s == '' then return '' end
  return string.char(field * 8 + 2) .. varint(#s) .. s
end
local function number(field, n)
  if tonumber(n) == 0 then return '' end
  return string.char(field * 8) .. varint(n)
end
local function change(kind, inner)
  local tagged = varint(kind * 8 + 2) .. varint(#inner) .. inner
  changes[#changes + 1] = string.char(6 * 8 + 2) .. varint(#tagged) .. tagged
  mask = bit.bor(mask, bit.lshift(1, kind))
end

local state = redis.call('HMGET', requests, 'held', 'excl')
local held, alone = tonumber(state[1] or 0), state[2] == '1'
local limit = tonumber(h[9] or default_limit)
local fence, admitted, queued = tonumber(h[10] or 0), tonumber(h[11] or 0), tonumber(h[12] or 0)
local bytes, failed = tonumber(h[13] or 0), tonumber(h[14] or 0)
local reserving = {}

local function fits(rec)
  return not alone and held < limit and (rec.exclusive == '0' or held == 0)
end
local function admit(rec)
  fence = math.max(fence + 1, tonumber(us))
  rec.state, rec.token, rec.admit_us = '3', string.format('%.0f', fence), us
  save_record(rec)
  redis.call('HSET', requests, 'f:' .. rec.token, rec.id)
  if rec.queue_deadline ~= '0' then redis.call('ZREM', lease, '0|t|' .. member .. '/' .. rec.id) end
  admitted, queued = admitted + 1, queued - 1
  local inner = text(1, rec.id) .. text(2, rec.name) .. number(3, rec.token)
  if rec.exclusive == '1' then inner = inner .. number(4, 1) end
  if rec.slot_token ~= '0' then
    inner = inner .. text(5, text(1, rec.pool) .. number(2, rec.slot) .. number(3, rec.slot_token))
  end
  change(23, inner .. number(6, rec.priority))
end
-- Gives a request one of the session's slots: it is admitted, or goes on to reserve wider ones.
local function hold(rec)
  held = held + 1
  if rec.exclusive == '1' then alone = true end
  if rec.wide == '' then
    admit(rec)
  else
    rec.state = '2'
    save_record(rec)
    reserving[#reserving + 1] = rec.id
  end
end
-- Strictly in order: nobody overtakes the first, even one who would fit.
local function promote()
  if status ~= '1' then return end
  while held < limit and not alone do
    local first = redis.call('ZRANGE', queue, 0, 0)[1]
    if not first then return end
    local rec = read_record(string.match(first, '[^/]+$'))
    if not fits(rec) then return end
    redis.call('ZREM', queue, first)
    hold(rec)
  end
end
local function remove(rec)
  if rec.state == '1' then
    redis.call('ZREM', queue, rec.order .. '/' .. rec.id)
    queued = queued - 1
  else
    held = held - 1
    if rec.exclusive == '1' then alone = false end
    if rec.state == '3' then
      redis.call('HDEL', requests, 'f:' .. rec.token)
      admitted = admitted - 1
    else
      queued = queued - 1
    end
  end
  redis.call('HDEL', requests, 'q:' .. rec.id, 'c:' .. rec.id, 'p:' .. rec.id)
  redis.call('ZREM', lease, rec.lease, '0|t|' .. member .. '/' .. rec.id)
end
local function close_invocations(rec, why)
  if rec.state ~= '3' then return end
  local mine = rec.id .. '/'
  for _, name in ipairs(redis.call('HKEYS', head)) do
    if string.sub(name, 1, 2) == 'o:' then
      local value = redis.call('HGET', head, name)
      if string.sub(value, 1, #mine) == mine then
        change(6, text(1, string.sub(name, 3)) .. text(2, string.sub(value, #mine + 1)) .. number(3, 4) .. text(5, why))
        redis.call('HDEL', head, name)
        bytes, failed = bytes - #name - #value, failed + 1
      end
    end
  end
end
-- Progress that was noted and not told yet, see progress.lua.
local function flush_progress(id)
  local note = redis.call('HGET', requests, 'p:' .. id)
  local inner = note and string.match(note, '^%d+\n1\n(.*)$')
  if inner then change(24, text(1, id) .. '\17' .. string.sub(inner, 1, 8) .. text(3, string.sub(inner, 9))) end
  return inner
end
-- Takes a request out and remembers for a day how it ended: {id, wide, pool, user, project} for those who give its slots
-- back. Outcomes are domain.requests.RequestOutcome's; 4 is LOST. `own` is 1 when its holder said so.
local function leave(rec, outcome, why, own)
  if outcome == '4' then
    close_invocations(rec, 'its request was lost: ' .. why)
    flush_progress(rec.id)
    change(26, text(1, rec.id) .. number(2, rec.token) .. text(3, why))
  else
    close_invocations(rec, 'its request ended')
    flush_progress(rec.id)
    change(25, text(1, rec.id) .. number(2, outcome == '5' and 3 or outcome) .. text(3, why))
  end
  remove(rec)
  local ended = table.concat({uid, own, outcome, string.format('%d', revision + 1), why}, '\n')
  redis.call('SET', ended_prefix .. rec.id, ended, 'EX', retention)
  return {rec.id, rec.wide, rec.pool, rec.user, rec.project}
end
