-- Opens a session, or finds out whether an observer could.
local TYPES = {'hash', 'zset', 'hash', 'hash', 'zset', 'zset', 'zset', 'stream'}
for at, key in ipairs(KEYS) do
    local found = call('TYPE', key).ok
    if found ~= 'none' and found ~= TYPES[at] then
        return redis.error_reply('LAYOUT ' .. found .. ' in ' .. key)
    end
end
local session, ttl, node = take(), tonumber(take()), take()
if session == '' then return answer('OK') end
if call('ZSCORE', DEADLINES, session) then return answer('TAKEN') end
advance()
call('HSET', SESSIONS, session, digits(1) .. digits(ttl) .. node)
call('ZADD', DEADLINES, digits(now + ttl), session)
if ttl > longest then call('HSET', META, 'ttl', digits(ttl)) end
-- Who watches learns when to look whether it is over.
log('S' .. digits(ttl))
return answer('OK')
