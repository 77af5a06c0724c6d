"""``isorate datasets remove``."""


def remove(name: str, /) -> None:
    """Forget a data set that was added; its pictures stay.

    Examples
    --------
    ```
    isorate datasets remove holiday
    ```

    Parameters
    ----------
    name
        What it was added as.
    """
    from isorate.datasets.added import remove as forget

    forget(name)
    print(f"{name} is no longer known; its pictures stay")
