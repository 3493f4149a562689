-- Idempotency records: `fingerprint|uid|revision|commit us|incarnation`. Uses the names: idempotency, fingerprint, retention.
local function recall()
  if fingerprint == '' then return nil end
  local record = redis.call('GET', idempotency)
  if not record then return nil end
  local f, u, r, t, i = string.match(record, '^(.-)|(.-)|(.-)|(.-)|(.-)$')
  return {fingerprint = f, uid = u, revision = r, us = t, incarnation = i}
end

local function remember(uid, revision, us, incarnation)
  if fingerprint == '' then return end
  redis.call('SET', idempotency, table.concat({fingerprint, uid, revision, us, incarnation}, '|'), 'EX', retention)
end
