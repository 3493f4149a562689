-- Commits a step: what `steps` collected becomes the session's next revision. Expects `label`, who asked for it.
revision = string.format('%d', revision + 1)
local body = text(5, label) .. table.concat(changes)
local fields = {'rev', revision, 'updated', us, 'ra', admitted, 'rq', queued, 'bytes', string.format('%.0f', bytes)}
if fence > 0 then
  fields[#fields + 1] = 'fence'
  fields[#fields + 1] = string.format('%.0f', fence)
end
if failed > 0 then
  fields[#fields + 1] = 'c:failed_invocations'
  fields[#fields + 1] = failed
end
if not h[5] then
  fields[#fields + 1] = 'dirty'
  fields[#fields + 1] = 1
  redis.call('ZADD', dirty, 'NX', seconds, member)
end
redis.call('HSET', head, unpack(fields))
if admitted + queued == 0 then
  redis.call('DEL', requests, queue)
else
  redis.call('HSET', requests, 'held', held, 'excl', alone and 1 or 0)
end
if h[6] or h[7] then
  -- A session with a live request never expires; the last one that leaves starts the clock.
  if admitted + queued > 0 then
    redis.call('ZREM', due, member)
  else
    local active, idle, life, created = status == '1', h[6], h[7], h[8]
    --@include due
  end
end
--@include commit
