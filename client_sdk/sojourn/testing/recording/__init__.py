"""Recording test runs: `pytest --sojourn`.

The run itself only appends lines to a file, its **spool** (`spool`), one for each test that ended (`outcomes`). A
process of its own, the **courier** (`courier`, `carrying`), follows that file and writes what it finds into a session
(`delivering`). So the tests share their process with no connection, thread or event loop of ours; nothing waits for a
server; what could not be delivered is in a file, and the courier of a later run delivers it.
"""
