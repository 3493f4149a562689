"""The README's example runs and prints what the README says."""

import asyncio
import re
import sys
from pathlib import Path

import sojourn.testing

README = (Path(__file__).parents[2] / "README.md").read_text()
TARGET = "localhost:7431"


def fenced(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_example_fits_on_a_page() -> None:
    assert len(fenced("python")[0].strip().splitlines()) <= 24
    assert TARGET in fenced("python")[0]


async def test_the_example_prints_what_the_readme_says() -> None:
    example, printed = fenced("python")[0], fenced("text")[0]
    async with sojourn.testing.server() as target:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", example.replace(TARGET, target)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            stdout, stderr = await asyncio.wait_for(program.communicate(), 60)
        finally:
            if program.returncode is None:
                program.kill()
    assert program.returncode == 0, stderr.decode()
    assert stdout.decode() == printed
