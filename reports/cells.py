"""Cells of tables: values as CSV has them, and lines of Markdown."""

import json
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is run as a formula by spreadsheet programs: it gets an apostrophe, which they do not show."""


def csv_value(value: Any) -> str:
    """Return a value as a cell of a CSV has it; what is nested is JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value)


def markdown_escape(text: str) -> str:
    """Return `text` so that Markdown shows it as it is inside a table."""
    text = " ".join(text.split())
    for char in "\\`*_{}[]<>()#+!|~":
        text = text.replace(char, "\\" + char)
    return text


def markdown_line(cells: list[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
