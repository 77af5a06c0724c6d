"""A run at a glance, as a notebook shows it: what was found, and the means."""

from isorate.reports.found import Found, found
from isorate.reports.results import Comparison, Level
from isorate.reports.summary import CodecSummary, at_equal, summarize
from isorate.reports.templating import environment
from isorate.runs.folder import Run


def glance(run: Run) -> str:
    """Return a piece of HTML: for each level the sentences of the page, and a table of the codecs' means."""
    comparison = Comparison(run) if run.rows() else None
    template = environment().get_template("glance.html.j2")
    return template.render(
        run=run,
        comparison=comparison,
        at_equal="" if comparison is None else at_equal(comparison.aim),
        levels=[] if comparison is None else _levels(comparison),
    )


def _levels(comparison: Comparison) -> list[tuple[Level, Found | None, list[CodecSummary]]]:
    summaries = [(level, summarize(comparison, level)) for level in comparison.levels()]
    return [(level, found(comparison, level, some), some) for level, some in summaries]
