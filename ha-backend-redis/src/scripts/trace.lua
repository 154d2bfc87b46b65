-- What stands in a slot of a session.
local session, slot = take(), take()
if not is_alive(session) then return answer('LOST') end
return answer('OK', call('HGET', ENTRIES, '\0' .. session .. slot) or '')
