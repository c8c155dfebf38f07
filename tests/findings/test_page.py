from pathlib import Path

from nftwave.findings import RULES
from nftwave.findings.page import page

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_page_has_every_finding_with_all_that_a_reader_needs():
    text = page()
    for rule in RULES:
        start = text.index(f"### {rule.code}\n")
        section = text[start:].split("\n### ")[0]
        for row in ("looked at", "why", "remedy", "may be waived", "source"):
            (line,) = [one for one in section.splitlines() if one.startswith(f"| {row} |")]
            assert line.count("|") - line.count("\\|") == 3, line
            assert len(line) > len(row) + 8
