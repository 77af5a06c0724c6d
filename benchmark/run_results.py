"""What a script or a notebook does with a run: data frame, curves, plot, page, and a look at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isorate.runs.folder import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from isorate.reports.curves import Curve


class RunResults(Run):
    """A run folder with its results at hand; everywhere else it is a :class:`isorate.runs.folder.Run`."""

    def frame(self) -> "pd.DataFrame":
        """Return the rows as a pandas DataFrame, one line for each image, operating point and codec.

        The columns are those of ``isorate table --format csv``: ``image``, ``codec``, ``bpp``, ``psnr`` (dB),
        ``ms_ssim`` and so on; :class:`isorate.runs.row.Row` documents each with its unit. The last one, ``class``, is
        the image's class in the data set, None where that names none.

        Raises
        ------
        ReportError
            When pandas is not installed (``pip install 'isorate[pandas]'``).
        """
        from isorate.reports.dataframe import frame

        return frame(self.rows(), self.manifest)

    def curves(self, image: str | None = None) -> "list[Curve]":
        """Return each codec's rate-distortion points, by rising rate.

        Parameters
        ----------
        image
            Of this image; by default the means over all images.

        Raises
        ------
        ReportError
            When the run holds no rows, or no such image.
        """
        from isorate.reports.curves import of_run
        from isorate.reports.results import Comparison

        return of_run(Comparison(self), image)

    def plot(
        self,
        metric: str = "psnr",
        *,
        image: str | None = None,
        published: Path | str | None = None,
        width: float = 6.75,
    ) -> "Figure":
        """Return the rate-distortion plot as a Matplotlib figure, which a notebook shows.

        Parameters
        ----------
        metric
            ``psnr``, ``ms_ssim``, ``ms_ssim_db`` (``-10 log10(1 - MS-SSIM)``), or a further metric of the run.
        image
            Of this image; by default the means over all images.
        published
            Curves to draw beside the run's own; see :func:`isorate.reports.published.named`.
        width
            Inches.

        Raises
        ------
        ReportError
            When the run holds no rows or no such image, or `metric` is another.
        """
        from isorate.reports.figures import plot
        from isorate.reports.results import Comparison

        return plot(Comparison(self), metric, image=image, published=published, width=width)

    def report(
        self,
        out: Path | str | None = None,
        *,
        single_file: bool = False,
        published: Path | str | None = None,
        sample: int = 200,
        images: Sequence[str] = (),
    ) -> Path:
        """Write the HTML page and return the path of its ``index.html``; see :func:`isorate.reports.page.render`."""
        from isorate.reports.page import render

        return render(self, out, single_file=single_file, published=published, sample=sample, images=images)

    def _repr_html_(self) -> str:
        from isorate.reports.glance import glance

        return glance(self)
