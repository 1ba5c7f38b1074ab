"""A document is read in time that grows with its length, whatever somebody wrote into it."""

import subprocess
import sys
from pathlib import Path

import pytest

from api.prds.markdown import MOST_LINE_CHARS

ROOT = Path(__file__).parents[2]
# Longer lines are not read, so as many of the longest that are as fit.
LINE = MOST_LINE_CHARS - 100
CHARS = 200_000
# What a pattern could begin to match at every place, or go over again from every place, and never does.
LINES = {
    "blanks": " " * LINE,
    "no-break blanks": "\u00a0" * LINE,
    "a heading of blanks": "## a" + " " * LINE + "a",
    "a heading of brackets": "## " + "*(" * (LINE // 2),
    "a label that has no end": "- **a" + " " * LINE,
    "a label and stars": "- **a" + ": " * (LINE // 2),
    "stars": "*" * LINE,
    "a story of blanks": "As a user, I want" + " " * LINE + "x",
    "a scenario without its end": "- Given a " + "When a " * (LINE // 7),
    "a scenario of blanks": "- Given a" + " *" * (LINE // 2),
    "a claim of blanks": "- a" + " " * LINE + "a",
    "a change of blanks": "- from 1" + " " * LINE + "x",
    "a list of commas": "- " + "a," * (LINE // 2),
    "a list of signs": "- **Data:** " + "a + " * (LINE // 4),
    "a role of blanks": "- **Data:** a" + " " * LINE + "a)",
    "a number and blanks": "- under 1" + " " * LINE,
    "a target": "- x\n  - Target: " + "< 1 at " * (LINE // 7),
    "clarifications": "- " + "[NEEDS CLARIFICATION" * (LINE // 20),
    "reasons": "**Why this priority\n" * (LINE // 20),
}
HEADINGS = (
    "Problem",
    "User Stories",
    "Technical Requirements",
    "Technology Stack",
    "Technical Risks",
    "Success Metrics",
    "Release Plan",
)
SPEC_HEADINGS = ("### User Story 1 - a", "### Functional Requirements", "### Measurable Outcomes", "### Open Questions")
READ = """
import sys
from api.prds import markdown, speckit
{}.read(sys.stdin.read())
"""
# What grows with the square takes minutes of it, what grows with the length a second.
PATIENCE_S = 60


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_under_any_heading_is_read_at_once(name: str) -> None:
    below = f"{LINES[name]}\n" * (CHARS // LINE // len(HEADINGS) + 1)
    text = f"# PRD: x\n\n{below}" + "".join(f"## {heading}\n\n- Impact:\n{below}" for heading in HEADINGS)
    _read("markdown", text)


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_under_no_heading_is_read_at_once(name: str) -> None:
    _read("markdown", f"{LINES[name]}\n" * (CHARS // LINE))


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_in_a_specification_is_read_at_once(name: str) -> None:
    below = f"{LINES[name]}\n" * (CHARS // LINE // len(SPEC_HEADINGS) + 1)
    _read("speckit", f"# Feature Specification: x\n\n{below}" + "".join(f"{one}\n\n{below}" for one in SPEC_HEADINGS))


def _read(module: str, text: str) -> None:
    """In a process of its own: a pattern that goes on for ever cannot be stopped within one."""
    command = [sys.executable, "-c", READ.format(module)]
    subprocess.run(command, input=text.encode(), timeout=PATIENCE_S, check=True, cwd=ROOT)
