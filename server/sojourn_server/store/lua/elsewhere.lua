#!lua flags=no-writes
-- Tells whether sessions may be in another tier.
--
-- KEYS   elsewhere
-- ARGV   name, then four places in the filter for each session
-- RESULT {name, complete 0|1, {0|1 for each session}}
-- EVENTS none
local complete = redis.call('GETBIT', elsewhere, 131072)
local answers = {}
for i = NARGS + 1, #ARGV, 4 do
  local seen = redis.call('BITFIELD_RO', elsewhere, 'GET', 'u1', ARGV[i], 'GET', 'u1', ARGV[i + 1],
    'GET', 'u1', ARGV[i + 2], 'GET', 'u1', ARGV[i + 3])
  answers[#answers + 1] = (complete == 0 or seen[1] + seen[2] + seen[3] + seen[4] == 4) and 1 or 0
end
return {name, complete, answers}
