"""Cells of tables: values as CSV has them, and lines of Markdown."""

import json
from typing import Any

from isorate.pictures.names import printable
from isorate.reports.summary import Interval
from isorate.reports.text import DASH, number

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
    text = printable(" ".join(text.split()))
    for char in "\\`*_{}[]<>()#+!|~":
        text = text.replace(char, "\\" + char)
    return text


def markdown_line(cells: list[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def gap_text(gap: Interval | None, digits: int) -> str:
    """Return a mean difference with its interval in brackets, where it has one."""
    if gap is None:
        return DASH
    text = number(gap.mean, digits, sign=True)
    if gap.low is None:
        return text
    return f"{text} ({number(gap.low, digits, sign=True)} … {number(gap.high, digits, sign=True)})"
