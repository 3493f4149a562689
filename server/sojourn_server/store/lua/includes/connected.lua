-- Sets the count of a worker in a session's field. Expects field, value, count, at_worker (the worker); name connections.
local others = ''
for at, open in string.gmatch(value, '(%S+) (%d+)') do
  if at ~= at_worker then others = others .. at .. ' ' .. open .. '\n' end
end
if count ~= '0' then others = others .. at_worker .. ' ' .. count .. '\n' end
if others == '' then
  redis.call('HDEL', connections, field)
elseif others ~= value then
  redis.call('HSET', connections, field, others)
end
