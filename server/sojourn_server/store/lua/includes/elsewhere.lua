-- Whether a session may be in another tier: `maybe` is false when it certainly is not. Expects the names elsewhere and bit1
-- to bit4, its places in the filter; 131072 says that the filter knows every session of the catalog.
local seen = redis.call('BITFIELD_RO', elsewhere, 'GET', 'u1', bit1, 'GET', 'u1', bit2, 'GET', 'u1', bit3,
  'GET', 'u1', bit4, 'GET', 'u1', 131072)
local maybe = seen[5] == 0 or seen[1] + seen[2] + seen[3] + seen[4] == 4
