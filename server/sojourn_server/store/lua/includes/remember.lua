-- Writes the idempotency record. Expects uid, incarnation, revision, us.
if fingerprint ~= '' then
  local record = table.concat({fingerprint, uid, revision, us, incarnation}, '|')
  redis.call('SET', idempotency, record, 'EX', retention)
end
