#!lua flags=no-writes
-- Reads a page of a session's event log.
--
-- KEYS   head events tombstone retired
-- ARGV   member, after (exclusive; 0 = from the oldest kept), after_us|'', after_uid|'', after_incarnation|'', strict 0|1,
--        before (exclusive)|'', mask (0 = all), count, scan_limit, byte_limit, reverse 0|1
--        `after_us` is the commit time the reader saw at `after`; `strict` 1 = refuse a position whose following events are gone.
-- RESULT {member, 'ok', uid, incarnation, head revision, head us, oldest, scanned, more 0|1, {revision, {fields}, ...}}
--        {member, 'missing'} {member, 'retired', revision, uid} {member, 'deleted', revision, uid} {member, 'replaced', revision} {member, 'rolled_back', revision}
--        {member, 'future', revision} {member, 'too_old', revision, oldest, us before oldest, uid, incarnation}
-- EVENTS none
local h = redis.call('HMGET', head, 'uid', 'inc', 'rev', 'updated', 'oldest')
if not h[1] then
  local gone = redis.call('HMGET', tombstone, 'rev', 'uid')
  if gone[1] then return {member, 'deleted', gone[1], gone[2]} end
  local moved = redis.call('HMGET', retired, 'rev', 'uid')
  if moved[1] then return {member, 'retired', moved[1], moved[2]} end
  return {member, 'missing'}
end

local revision, oldest = tonumber(h[3]), tonumber(h[5] or '1')
after = tonumber(after)

if after_uid ~= '' then
  if after_uid ~= h[1] then return {member, 'replaced', h[3]} end
  if after_incarnation ~= h[2] then return {member, 'rolled_back', h[3]} end
end
if after > revision then
  -- A cursor is minted for committed events only: a commit time means the store had this revision and lost it.
  if after_us ~= '' then return {member, 'rolled_back', h[3]} end
  return {member, 'future', h[3]}
end
if after_us ~= '' and after >= oldest then
  local seen = redis.call('XRANGE', events, after .. '-0', after .. '-0')
  if not seen[1] or seen[1][2][2] ~= after_us then return {member, 'rolled_back', h[3]} end
end
if strict == '1' and after + 1 < oldest then
  return {member, 'too_old', h[3], oldest, h[1], h[2]}
end

mask, count, scan_limit, byte_limit = tonumber(mask), tonumber(count), tonumber(scan_limit), tonumber(byte_limit)
local low, high = math.max(after + 1, oldest), revision
if before ~= '' then high = math.min(high, tonumber(before) - 1) end
local found, kept, looked, size = {}, 0, 0, 0
local scanned = reverse == '1' and high + 1 or low - 1
local full = false
local piece = 10 -- few at first: events may be large, and the byte limit is seen only after reading

while low <= high and not full do
  if mask == 0 then piece = math.min(piece, count - kept) end
  local entries
  if reverse == '1' then
    entries = redis.call('XREVRANGE', events, high .. '-0', low .. '-0', 'COUNT', piece)
  else
    entries = redis.call('XRANGE', events, low .. '-0', high .. '-0', 'COUNT', piece)
  end
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    scanned = tonumber(string.sub(entry[1], 1, -3))
    looked = looked + 1
    if mask == 0 or bit.band(mask, tonumber(fields[4])) ~= 0 then
      found[#found + 1] = scanned
      found[#found + 1] = fields
      kept = kept + 1
      size = size + #fields[8]
    end
    if kept >= count or looked >= scan_limit or size >= byte_limit then
      full = true
      break
    end
  end
  if reverse == '1' then high = scanned - 1 else low = scanned + 1 end
  piece = math.min(piece * 4, 200)
end

local more = low <= high and 1 or 0
return {member, 'ok', h[1], h[2], h[3], h[4], oldest, scanned, more, found}
