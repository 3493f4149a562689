-- Refuses what goes on from a history that the session does not have. Expects uid, incarnation, revision; names head,
-- events, member, known: '', or a position as `uid|incarnation|revision|commit us`, with 0 for a time that is not known.
if known ~= '' then
  local k_uid, k_incarnation, k_revision, k_us = string.match(known, '^(.-)|(.-)|(.-)|(.-)$')
  if k_uid ~= uid then return {member, 'replaced', revision} end
  local lost = k_incarnation ~= incarnation or tonumber(k_revision) > tonumber(revision)
  if not lost and k_us ~= '0' then
    local last = redis.call('HMGET', head, 'updated', 'oldest')
    if k_revision == revision then
      lost = k_us ~= last[1]
    elseif tonumber(k_revision) >= tonumber(last[2] or '1') then
      local seen = redis.call('XRANGE', events, k_revision .. '-0', k_revision .. '-0')
      lost = not seen[1] or seen[1][2][2] ~= k_us
    end
  end
  if lost then return {member, 'rolled_back', revision} end
end
