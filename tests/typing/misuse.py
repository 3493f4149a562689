"""Misuse that a type checker must refuse: each line with the code of the error it must be. Never run."""

import sojourn


async def misuse(client: sojourn.Client, session: sojourn.SessionHandle) -> None:
    await client.create_session("a", "ada")  # error: call-arg
    await client.create_session(tags=3)  # error: arg-type
    await client.create_session(if_exists="replace")  # error: arg-type
    await client.get_session()  # error: call-arg
    await session.set_state("k", 1)  # error: call-arg, arg-type
    await session.set_state({"k": 1}, 3)  # error: call-arg
    await session.set_state({1: "k"})  # error: dict-item
    await session.record_step("login")  # error: call-arg
    await session.record_invocation("git", duration="long")  # error: arg-type
    await session.add_message("user", "x", usage={"input_tokens": 1})  # error: arg-type
    session.revision = 3  # error: misc
    print(session.info.no_such_field)  # error: attr-defined
    session.track("plan", 3)  # error: call-arg
    session.track(on_cancel="ignore")  # error: arg-type
    with session.track("plan"):  # error: attr-defined
        pass
    client.pool("browsers").slot(pool="other")  # error: call-arg
    await client.pool("browsers")  # error: misc
    async with session.track("plan") as request:
        request.fencing_token = 3  # error: misc
        print(request.pool_slot.slot)  # error: union-attr
    for event in session.events():  # error: attr-defined
        print(event)
    async with session.write() as write:
        await write.set_state({"k": 1})  # error: func-returns-value, misc
    async for item in client.watch_sessions():
        print(item.commit_time)  # error: union-attr
    client.list_sessions(user="ada")  # error: call-arg
    client.list_sessions("ada")  # error: call-arg, arg-type
    client.list_sessions(created_after="yesterday")  # error: arg-type
    await client.count_sessions(limit=3)  # error: call-arg
    client.search("refund", text="seat")  # error: call-arg
    client.search(user_id="ada")  # error: call-arg
    client.invocations(tags=["a"])  # error: call-arg
    async for found in client.search("refund"):
        print(found.id)  # error: attr-defined
    print(sojourn.no_such_name)  # error: attr-defined
