"""The pages under docs/sdk: what they show is what the tests run."""

import re
from pathlib import Path

import pytest
from calls import KNOWN

HERE = Path(__file__).parent
PAGES = sorted((HERE.parent / "docs" / "sdk").glob("*.md"))
BLOCK = re.compile(r"<!-- tested: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Where each tested block of a page comes from ("run": the test runs it), and the block."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def column(page: Path, sdk: str) -> set[str]:
    """The paths of the README's matrix which an SDK is said to have called."""
    rows = [line.strip("|").split("|") for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    (head,) = [row for row in rows if sdk in [cell.strip() for cell in row] and len(row) == len(KNOWN) + 1]
    at = [cell.strip() for cell in head].index(sdk)
    paths = [(re.search(r"`(/\S+)`", row[0]), row[at]) for row in rows if len(row) == len(head)]
    return {path[1] for path, cell in paths if path and "✓" in cell}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_the_programs(page: Path) -> None:
    for source, block in blocks(page):
        if source != "run":
            assert bare(block) in bare((HERE / source).read_text(encoding="utf-8")), f"{source} has no such lines:\n{block}"


@pytest.mark.parametrize("caller", KNOWN, ids=lambda caller: caller.name)
def test_every_program_is_shown(caller) -> None:
    for language in (".md", ".en.md"):
        pages = [page for page in PAGES if page.name.endswith(".en.md") == (language == ".en.md")]
        assert any(source == caller.source for page in pages for source, _ in blocks(page)), (caller.name, language)


def bare(text: str) -> str:
    """Without indentation, which differs between a page and a program."""
    return "\n".join(line.strip() for line in text.strip().splitlines())
