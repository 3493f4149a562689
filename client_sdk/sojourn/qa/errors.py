"""What can be wrong with a QA test: its definition, or how it is asked for.

SojournError
└── QAError
    ├── WorkflowError (ValueError)   .test .expected; the definition is wrong, nothing was run
    │   ├── DuplicateNameError       .name
    │   ├── UnknownNodeError         .name .node
    │   └── CycleError               .cycle
    ├── UnknownTestError             .test .known
    ├── TestMismatchError            .session_id .test .asked
    ├── SessionBusyError             .session_id
    └── OutputError (ValueError)     .node .expected
"""

from __future__ import annotations

from ..errors import SojournError


class QAError(SojournError):
    """Base of the errors of this package."""


class WorkflowError(QAError, ValueError):
    """A test is defined wrongly. `expected` says what it should be."""

    test: str = ""
    expected: str = ""


class DuplicateNameError(WorkflowError):
    """The test, or the node within it, has a name that is taken."""

    name: str = ""


class UnknownNodeError(WorkflowError):
    """A node comes after one that the workflow does not have."""

    name: str = ""
    """What there is no node of."""
    node: str = ""
    """The node that names it."""


class CycleError(WorkflowError):
    """Nodes wait for each other."""

    cycle: tuple[str, ...] = ()
    """The names, each before the one it waits for; the first is also the last."""


class UnknownTestError(QAError, LookupError):
    """No test of this name is registered: import the module that defines it. `known` are those that are."""

    test: str = ""
    known: tuple[str, ...] = ()


class TestMismatchError(QAError, ValueError):
    """The session is another test's: use another client, which has a session of its own."""

    __test__ = False  # for pytest, which collects what is called so

    session_id: str = ""
    test: str = ""
    """The test of the session."""
    asked: str = ""


class SessionBusyError(QAError):
    """Somebody else runs the session at this moment."""

    session_id: str = ""


class OutputError(QAError, ValueError):
    """A node returned, or left behind, what a session cannot hold: JSON values, pydantic models, dataclasses."""

    node: str = ""
    expected: str = ""
