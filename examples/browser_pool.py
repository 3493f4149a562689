"""Ten browsers for everybody: tests of several users take turns, urgent ones go first.

python examples/browser_pool.py [HOST:PORT]

Ada starts thirty tests at once. Bob comes later with six and gets his turns all the same: among equals the pool takes
turns between users. Carol's two are urgent and wait for nothing but the next free browser.
"""

import asyncio
import random
import sys

import sojourn

TESTS = {"ada": 30, "bob": 6, "carol": 2}
PRIORITY = {"carol": 9}  # 0 (last) to 9 (first)


class Browser:
    """Stands for a real one, which bears one test at a time."""

    def __init__(self) -> None:
        self.test = ""

    async def run(self, test: str) -> None:
        assert not self.test, f"{test} and {self.test} in one browser"
        self.test = test
        await asyncio.sleep(random.uniform(0.4, 0.6))
        self.test = ""


async def run_test(pool: sojourn.PoolHandle, browsers: list[Browser], test: str, priority: int) -> None:
    async with pool.slot(test, priority=priority) as request:
        slot = request.pool_slot
        assert slot is not None
        waited = request.queued_for.total_seconds()
        print(f"{test:9} browser {slot.slot}  priority {priority}  waited {waited:.1f} s", flush=True)
        await browsers[slot.slot].run(test)


async def user(target: str, name: str, browsers: list[Browser]) -> None:
    async with sojourn.Client(target, user_id=name) as client:
        pool = client.pool("browsers")
        async with asyncio.TaskGroup() as tests:
            for number in range(1, TESTS[name] + 1):
                tests.create_task(run_test(pool, browsers, f"{name} {number}", PRIORITY.get(name, 0)))


async def main(target: str) -> None:
    browsers = [Browser() for _ in range(10)]
    async with sojourn.Client(target) as client:
        pool = client.pool("browsers")
        await pool.resize(len(browsers))
        async with asyncio.TaskGroup() as users:
            for name in TESTS:
                users.create_task(user(target, name, browsers))
                await asyncio.sleep(0.1)  # one comes after the other
            info = await pool.info()
            print(f"{info.used} of {info.size} browsers at work, {info.queued} tests wait", flush=True)
        print(f"{(await pool.info()).used} browsers at work")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:7431"))
