-- Looks up the idempotency record `fingerprint|uid|revision|commit us|incarnation`: `first` is nil or its parts.
local first = nil
if fingerprint ~= '' then
  local record = redis.call('GET', idempotency)
  if record then
    local f, u, r, t, i = string.match(record, '^(.-)|(.-)|(.-)|(.-)|(.-)$')
    first = {fingerprint = f, uid = u, revision = r, us = t, incarnation = i}
  end
end
