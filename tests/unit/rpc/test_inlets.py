"""Reading streams of bytes: what comes, the end in all its forms, and senders that stopped."""

import asyncio

import grpc
import pytest

from sojourn_server.domain.errors import LimitExceededError
from sojourn_server.rpc.inlets import Inlets


class Context:
    """A call whose reads are answered one by one."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.reads = 0

    async def read(self):
        self.reads += 1
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def test_messages_in_order_and_the_end():
    inlets, context = Inlets(), Context(b"one", b"two", grpc.aio.EOF)
    assert [await inlets.read(context) for _ in range(3)] == [b"one", b"two", None]


@pytest.mark.parametrize("ended", [grpc.aio.UsageError("over"), asyncio.CancelledError(), RuntimeError("broken")])
async def test_a_call_that_is_over_has_no_more(ended):
    assert await Inlets().read(Context(ended)) is None


async def test_a_sender_that_stopped_is_refused_and_its_read_left_to_grpc():
    inlets, context = Inlets(patience=0.01), Context(b"one")
    assert await inlets.read(context) == b"one"
    with pytest.raises(LimitExceededError) as caught:
        await inlets.read(context)
    assert caught.value.metadata == {"limit_name": "seconds_without_data", "limit": "0.01"}
    (pending,) = inlets._reads
    assert not pending.done()
    pending.cancel()
    await asyncio.wait({pending})
    assert not inlets._reads


async def test_a_reader_that_is_cancelled_stops_waiting():
    inlets = Inlets()
    reader = asyncio.create_task(inlets.read(Context()))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    for pending in list(inlets._reads):
        pending.cancel()
