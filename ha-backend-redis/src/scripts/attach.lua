-- Kills all commits of a session that were sent with a smaller epoch and have not been done.
local session, epoch = take(), take()
if not is_alive(session) then return answer('LOST') end
local row = call('HGET', SESSIONS, session)
if sub(row, 1, 16) > epoch then return answer('FENCED', tonumber(sub(row, 1, 16))) end
call('HDEL', SESSIONS, session)
call('HSET', SESSIONS, session, epoch .. sub(row, 17))
return answer('OK')
