async def request_fnc(req):
    await req.reject()
