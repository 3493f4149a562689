"""Google ADK's DatabaseSessionService on the same made-up sessions; runs in whichever Python has `google-adk[db]`.

`python bench/adk_peer.py DATABASE_URL` reads sessions from standard input, one JSON object a line (`id`, `user`, `us`,
`texts`), stores them in ADK's own tables (through its own models; its API stores one event a transaction), and prints
one JSON object: the seconds of its loading and of each `list_sessions`. It imports nothing of ours.
"""

# The peer's packages are not installed where this is type-checked.
# mypy: ignore-errors

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

APP = "bench"
BATCH = 500


async def main(url: str) -> None:
    """Stores, asks, prints."""
    from google.adk.sessions.database_session_service import DatabaseSessionService
    from google.adk.sessions.schemas import v1
    from sqlalchemy import insert

    service = DatabaseSessionService(url)
    await service.prepare_tables()
    begun = time.perf_counter()
    users: dict[str, int] = {}
    async with service.db_engine.connect() as connection:
        sessions, events = [], []

        async def flush() -> None:
            if sessions:
                await connection.execute(insert(v1.StorageSession), sessions)
                await connection.execute(insert(v1.StorageEvent), events)
                await connection.commit()
                sessions.clear()
                events.clear()

        for line in sys.stdin:
            one = json.loads(line)
            users[one["user"]] = users.get(one["user"], 0) + 1
            when = datetime.fromtimestamp(one["us"] / 1e6, UTC).replace(tzinfo=None)
            key = {"app_name": APP, "user_id": one["user"]}
            sessions.append(key | {"id": one["id"], "state": {}, "create_time": when, "update_time": when})
            for number, text in enumerate(one["texts"]):
                event = {
                    "invocation_id": f"i-{number}", "author": "user" if number % 2 else "agent",
                    "timestamp": one["us"] / 1e6, "content": {"role": "user", "parts": [{"text": text}]},
                }  # fmt: skip
                events.append(
                    key
                    | {"id": f"{one['id']}-{number}", "session_id": one["id"], "invocation_id": f"i-{number}"}
                    | {"timestamp": when, "event_data": event}
                )
            if len(sessions) >= BATCH:
                await flush()
        await flush()
    loaded = time.perf_counter() - begun
    few = min(users, key=lambda user: (abs(users[user] - 10), user))
    print(
        json.dumps(
            {
                "load_seconds": loaded,
                "all": await timed(service, None),
                "user": await timed(service, few),
                "user_sessions": users[few],
            }
        )
    )


async def timed(service: Any, user: str | None, times: int = 3) -> list[float]:
    """Seconds of each `list_sessions` after a first one."""
    await service.list_sessions(app_name=APP, user_id=user)
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        await service.list_sessions(app_name=APP, user_id=user)
        seconds.append(time.perf_counter() - begun)
    return seconds


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
