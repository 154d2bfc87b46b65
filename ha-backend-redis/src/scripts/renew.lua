-- A proof of life. No deadline comes earlier by it, not even when the clock of the server was set back.
local session, ttl = take(), tonumber(take())
if not is_alive(session) then return answer('LOST') end
local deadline = tonumber(call('ZSCORE', DEADLINES, session))
if deadline < now + ttl then
    call('ZREM', DEADLINES, session)
    call('ZADD', DEADLINES, digits(now + ttl), session)
end
-- A clock that was set back would keep the dead alive.
local latest = now + math.max(longest, ttl)
for _, late in ipairs(call('ZRANGEBYSCORE', DEADLINES, '(' .. digits(latest), '+inf', 'LIMIT', 0, 100)) do
    call('ZADD', DEADLINES, digits(latest), late)
end
return answer('OK')
