"""What the demo's agents talk about: a few short conversations with the tool calls they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody says something."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """The agent uses a tool, which takes `seconds` and returns `result`, or fails with `error`."""

    tool: str
    arguments: dict[str, Any]
    result: Any = None
    seconds: float = 0.6
    error: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """The agent keeps something in the session's state."""

    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """One conversation. `result` is what the session's `outcome` becomes."""

    name: str
    purpose: str
    turns: tuple[Say | Use | Note, ...]
    result: str
    tags: tuple[str, ...] = field(default=())


SCRIPTS = (
    Script(
        name="rebooking",
        purpose="Move a passenger to a later flight",
        tags=("airline", "support"),
        turns=(
            Say("system", "You help airline passengers. Confirm every change before you make it."),
            Say("user", "Hi, I can't make my flight to Lisbon this morning. Is there one later today?"),
            Use("find_reservation", {"last_name": "Moreau"}, {"reservation": "K7QX2P", "flight": "SJ 412"}),
            Note({"reservation": "K7QX2P"}),
            Use(
                "search_flights", {"from": "CDG", "to": "LIS", "after": "12:00"},
                [{"flight": "SJ 418", "departs": "14:35", "seats": 6}, {"flight": "SJ 424", "departs": "19:10"}],
                1.1,
            ),
            Say("assistant", "There are seats at 14:35 and at 19:10. The change costs nothing. Which one?"),
            Say("user", "14:35 please, by the window if you can."),
            Use("change_flight", {"reservation": "K7QX2P", "to": "SJ 418"}, {"confirmed": True, "seat": "14A"}, 0.9),
            Note({"flight": "SJ 418", "seat": "14A"}),
            Say("assistant", "Done: SJ 418 at 14:35, seat 14A by the window. Your new boarding pass is on its way."),
            Say("user", "Perfect, thank you!"),
        ),
        result="rebooked",
    ),
    Script(
        name="login-test",
        purpose="Check the login page of the web shop",
        tags=("qa", "web"),
        turns=(
            Say("system", "You test web pages. Report what you see, with the steps that led there."),
            Say("user", "Does the login still work after last night's release?"),
            Use("open_page", {"url": "https://shop.example/login"}, {"status": 200, "title": "Sign in"}, 0.8),
            Use("fill_form", {"email": "qa@shop.example", "password": "***"}, {"filled": 2}, 0.4),
            Use("click", {"button": "Sign in"}, error="button is covered by the cookie banner", seconds=0.7),
            Say("assistant", "The cookie banner covers the button. I close it and try again."),
            Use("click", {"button": "Accept necessary"}, {"closed": True}, 0.3),
            Use("click", {"button": "Sign in"}, {"status": 302, "location": "/account"}, 0.8),
            Note({"login": "works", "defects": 1}),
            Say("assistant", "Login works. One defect: on small windows the cookie banner covers the button."),
        ),
        result="passed with one defect",
    ),
    Script(
        name="sales-report",
        purpose="Answer a question from the sales database",
        tags=("data",),
        turns=(
            Say("system", "You answer questions with SQL. Show the numbers you rely on."),
            Say("user", "Which region grew most last quarter?"),
            Use("describe_tables", {"schema": "sales"}, {"orders": ["id", "region", "total", "placed_at"]}, 0.4),
            Use(
                "run_query", {"sql": "select region, sum(total) from sales.orders where quarter = 3 group by region"},
                {"rows": [["north", 418200], ["south", 391750], ["west", 522100]]}, 1.3,
            ),
            Use(
                "run_query", {"sql": "select region, sum(total) from sales.orders where quarter = 2 group by region"},
                {"rows": [["north", 402900], ["south", 318400], ["west", 509800]]}, 1.2,
            ),
            Note({"growth_percent": {"north": 3.8, "south": 23.0, "west": 2.4}}),
            Say("assistant", "South, by 23.0% (318,400 to 391,750). North grew 3.8%, west 2.4%."),
            Say("user", "And in absolute terms?"),
            Say("assistant", "South as well: 73,350 more, against 15,300 in the north and 12,300 in the west."),
        ),
        result="answered",
    ),
    Script(
        name="code-review",
        purpose="Review a pull request",
        tags=("code",),
        turns=(
            Say("system", "You review code. Be brief and concrete."),
            Say("user", "Please look at pull request 218: retry failed uploads."),
            Use("read_diff", {"pull_request": 218}, {"files": 3, "added": 84, "removed": 12}, 0.7),
            Use("run_tests", {"path": "tests/uploads"}, {"passed": 41, "failed": 1, "failing": "test_gives_up"}, 1.6),
            Note({"tests": {"passed": 41, "failed": 1}}),
            Say("assistant", "The retry loop has no deadline, so test_gives_up hangs. Let it stop after `max_wait`."),
            Say("user", "Good catch. I pushed a fix."),
            Use("run_tests", {"path": "tests/uploads"}, {"passed": 42, "failed": 0}, 1.4),
            Note({"tests": {"passed": 42, "failed": 0}}),
            Say("assistant", "All 42 tests pass. Approved."),
        ),
        result="approved",
    ),
)  # fmt: skip
