"""The contract's tables, read from the document, so that code and document can't part."""

from pathlib import Path

CONTRACTS = Path(__file__).parents[1] / "docs" / "contracts.md"


def read_section(number: int) -> str:
    """The text of `## <number>. …`."""
    text = CONTRACTS.read_text(encoding="utf-8")
    begin = text.index(f"\n## {number}. ")
    end = text.find("\n## ", begin + 1)
    return text[begin:end if end > 0 else None]


def read_table(number: int, first_column: str) -> list[list[str]]:
    """The rows of a section's table whose first heading is `first_column`, cell by cell."""
    lines = read_section(number).splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith(f"| {first_column} |"))
    rows = []
    for line in lines[begin + 2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return rows


def spread(cell: str) -> list[str]:
    """A cell that names several things."""
    return [part.strip() for part in cell.split(",")]
