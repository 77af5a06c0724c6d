"""Results by class of image, where a run's data set names classes: means, differences and BD-rates of each alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isorate.reports.bdrate import BDRate, of_codec
from isorate.reports.results import Column, Comparison, Level
from isorate.reports.summary import CodecSummary, summarize

NO_CLASS = "no class"
"""What images are called that have none, where others do."""
NO_CLASSES = (
    "the data set does not name two classes; name them in its manifest (isorate datasets add --class-by-folder), and "
    "give the same isorate run command again"
)
"""Why there are no results by class, and what to do about it."""


@dataclass(frozen=True, slots=True)
class ClassResults:
    """What the codecs did on the images of one class.

    Attributes
    ----------
    name
        The class; :data:`NO_CLASS` for images without.
    images
        How many.
    levels
        The run's levels, each with a summary of every codec, in the columns' order.
    rates
        Of each codec beside the anchor the BD-rate by metric: ``psnr``, ``ms_ssim`` and the further ones.
    """

    name: str
    images: int
    levels: tuple[tuple[Level, list[CodecSummary]], ...]
    rates: Mapping[Column, Mapping[str, BDRate]]

    def rate(self, column: Column, metric: str) -> BDRate | None:
        """Return a codec's BD-rate; None for the anchor."""
        return self.rates[column][metric] if column in self.rates else None


def images_by_class(comparison: Comparison) -> dict[str, list[str]]:
    """Return the names of each class's images, in the data set's order; nothing where there are not two classes."""
    class_of = {image.name: image.image_class for image in comparison.manifest.dataset.images}
    found: dict[str, list[str]] = {}
    for image in comparison.images:
        found.setdefault(class_of.get(image.name) or NO_CLASS, []).append(image.name)
    return found if len(found) > 1 else {}


def by_class(comparison: Comparison, most: int | None = None) -> Iterator[ClassResults]:
    """Yield the results of each class in the data set's order; of more than `most` the largest."""
    classes = images_by_class(comparison)
    largest = sorted(classes, key=lambda name: -len(classes[name]))[:most]
    metrics = tuple(comparison.manifest.metric_labels)
    for name in (name for name in classes if name in largest):
        part = comparison.among(set(classes[name]))
        rates = {
            column: {metric: of_codec(part, column, metric, each_image=False) for metric in metrics}
            for column in comparison.columns
            if not column.anchor
        }
        levels = tuple((level, summarize(part, level)) for level in part.levels())
        yield ClassResults(name, len(classes[name]), levels, rates)
