"""A run at a glance, as a notebook shows it: what was found, and the means."""

from isorate.reports.found import found
from isorate.reports.results import Comparison
from isorate.reports.summary import at_equal, summarize
from isorate.reports.templating import environment
from isorate.runs.folder import Run


def glance(run: Run) -> str:
    """Return a piece of HTML: for each level the sentences of the page, and a table of the codecs' means."""
    comparison = Comparison(run) if run.rows() else None
    levels = [] if comparison is None else comparison.levels()
    template = environment().get_template("glance.html.j2")
    return template.render(
        run=run,
        comparison=comparison,
        at_equal="" if comparison is None else at_equal(comparison.aim),
        levels=[(level, found(comparison, level), summarize(comparison, level)) for level in levels if comparison],
    )
