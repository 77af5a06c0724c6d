"""The templates' environment: everything escaped, nothing undefined."""

from functools import cache
from pathlib import Path

import jinja2

from isorate.reports import measures, summary, text

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> jinja2.Environment:
    """Return the one environment of ``templates/``, with the filters that write numbers for a reader."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=text.number,
        names=summary.some_names,
        percent=text.percent,
        seconds=text.seconds,
        residual=text.residual,
        knob=text.knob,
        figures=measures.figures,
        missing=text.missing,
        db=summary.similarity_db,
    )
    return made
