"""Which tests there are."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from .errors import DuplicateNameError, UnknownTestError

if TYPE_CHECKING:
    from .workflow import Workflow


class Registry:
    """Tests by their names."""

    def __init__(self) -> None:
        self._tests: dict[str, Workflow] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tests, in the order they were registered."""
        return tuple(self._tests)

    def add(self, test: Workflow) -> None:
        """Register a test.

        What the same place of the same module defined before is replaced: the module was loaded again. Raises
        DuplicateNameError for any other of the same name.
        """
        known = self._tests.get(test.name)
        if known is not None and known is not test and known.origin != test.origin:
            raise DuplicateNameError(
                f"a test {test.name!r} is registered already",
                test=test.name,
                name=test.name,
                expected="a name for each test",
            )
        self._tests[test.name] = test

    def find(self, name: str) -> Workflow | None:
        """The test of this name; None when there is none."""
        return self._tests.get(name)

    def get(self, name: str) -> Workflow:
        """The test of this name. Raises UnknownTestError."""
        known = self._tests.get(name)
        if known is None:
            near = difflib.get_close_matches(name, self._tests, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "import the module that defines it"
            raise UnknownTestError(f"no test {name!r} is registered: {hint}", test=name, known=self.names)
        return known

    def remove(self, name: str) -> None:
        """Forget a test; that there is none is no error."""
        self._tests.pop(name, None)


default_registry = Registry()
"""Where tests are registered unless told otherwise."""
