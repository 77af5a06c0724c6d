"""``isorate init``."""

from pathlib import Path

from isorate.errors import UsageError


def init(file: Path = Path("isorate.toml"), /, *, force: bool = False) -> None:
    """Write a commented configuration file to start from.

    Examples
    --------
    ```
    isorate init
    isorate init benchmarks/photos.toml
    ```

    Parameters
    ----------
    file
        The file to write.
    force
        Write over a file that is there.
    """
    from importlib.resources import files

    from isorate.files.atomic import write_output

    if file.exists() and not force:
        raise UsageError(f"{file}: is there already; give another name, or --force to write over it")
    write_output(file, files("isorate.cli").joinpath("starting_config.toml").read_bytes())
    print(
        f"{file}: written; next: isorate doctor, then isorate run"
        + ("" if file.name == "isorate.toml" else f" --config {file}")
    )
