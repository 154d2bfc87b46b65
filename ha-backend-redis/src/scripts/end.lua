-- Ends a session, its own or another one.
local session, other = take(), take()
if session ~= other and not is_alive(session) then return answer('LOST') end
finish(other)
return answer('OK')
