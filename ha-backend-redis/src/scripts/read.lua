-- Reads a page.
local session = take()
if session ~= '' and not is_alive(session) then return answer('LOST') end
return answer('OK', {read(take(), take(), take(), tonumber(take()))})
