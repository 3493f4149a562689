"""Load whose rounds are more than one call: two unary calls one after the other, a stream of two messages each way."""

import itertools
from collections.abc import Callable, Iterator

from bench import frames
from bench.bidi import Splitter
from bench.h2load import Load, LoadConnection

Messages = Iterator[tuple[bytes, bytes]]
"""What is sent in each round, first and last: gRPC messages, framed. The last is of one size."""


class _RoundConnection(LoadConnection):
    """Two messages a round."""

    def __init__(self, path: str, authority: str, messages: Messages, width: int) -> None:
        super().__init__(path, authority, width)
        self._messages = messages
        # Started at, and what is sent once the first answer is here.
        self._first: dict[int, tuple[float, bytes]] = {}
        self._last: dict[int, float] = {}
        self._answered: set[int] = set()

    def begin_round(self, now: float) -> bool:
        first, last = next(self._messages)
        # Each round that has begun may send its last message at any time: that much room is kept.
        if not self.may_send(len(first) + self.width * len(last)):
            self._messages = itertools.chain([(first, last)], self._messages)
            return False
        self._first[self.open_first(first)] = now, last
        return True

    def open_first(self, message: bytes) -> int:
        """Send a round's first message on a stream of its own."""
        raise NotImplementedError


class PairConnection(_RoundConnection):
    """A round is a unary call and, when it is answered, another."""

    def __init__(self, paths: tuple[str, str], authority: str, messages: Messages, width: int) -> None:
        super().__init__(paths[0], authority, messages, width)
        self._last_headers = self.headers_of(paths[1])

    def open_first(self, message: bytes) -> int:
        return self.open_stream(message)

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        if len(data) > 5:
            self._answered.add(stream)
            self.sample = self.sample or data[5:]

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & frames.END_STREAM:
            return
        if frames.STATUS_OK not in block or stream not in self._answered:
            self.fail(f"a call of {self.path} or what follows it failed, trailers: {block!r}")
        self._answered.discard(stream)
        if stream in self._last:
            self.end_round(self._last.pop(stream))
        else:
            started, last = self._first.pop(stream)
            self._last[self.open_stream(last, headers=self._last_headers)] = started


class TripConnection(_RoundConnection):
    """A round is a stream: a message, its answer, the last message, its answer, the end."""

    timeout = None

    def __init__(
        self, path: str, authority: str, messages: Messages, width: int, answers: tuple[bytes, bytes] = (b"", b"")
    ) -> None:
        """`answers`: what the two answers must begin with."""
        super().__init__(path, authority, messages, width)
        self._answers = answers
        self._splitter = Splitter()

    def open_first(self, message: bytes) -> int:
        return self.open_stream(message, end=False)

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        for message in self._splitter.feed(stream, data):
            if stream in self._first:
                started, last = self._first.pop(stream)
                self._check(message, self._answers[0])
                self.send(stream, last, end=True)
                self._last[stream] = started
                self.sample = self.sample or message
            else:
                self._check(message, self._answers[1])
                self._answered.add(stream)

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & frames.END_STREAM:
            return
        if frames.STATUS_OK not in block or stream not in self._answered:
            self.fail(f"a stream of {self.path} failed, trailers: {block!r}")
        self._answered.discard(stream)
        started = self._last.pop(stream, None)
        if started is not None:
            self.end_round(started)

    def _check(self, message: bytes, expected: bytes) -> None:
        if not message or not message.startswith(expected):
            self.fail(f"a stream of {self.path} answered {message[:64]!r}")


def pair_load(target: str, paths: tuple[str, str], messages: Callable[[], Messages], concurrency: int) -> Load:
    """Callers of two unary methods in turn."""
    return Load(target, lambda width: PairConnection(paths, target, messages(), width), concurrency)


def trip_load(
    target: str,
    path: str,
    messages: Callable[[], Messages],
    concurrency: int,
    answers: tuple[bytes, bytes] = (b"", b""),
) -> Load:
    """Callers of one bidirectional method, a stream each time."""
    return Load(target, lambda width: TripConnection(path, target, messages(), width, answers), concurrency)
