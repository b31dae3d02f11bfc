"""Opening torchvision's data sets, with an error that helps where they are missing."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def open_or_explain(open_set: Callable[[bool], T], *, root: str, url: str, archive: str) -> T:
    """Open a data set; download it if it is missing.

    Args:
        open_set: Opens the data set; its argument says whether to download.
        root: Folder that holds the data.
        url: Where the archive comes from.
        archive: Name of the file to put into `root` by hand.

    Raises:
        FileNotFoundError: If it is missing and cannot be downloaded.
    """
    try:
        return open_set(False)
    except RuntimeError:
        pass  # torchvision's way to say that it is missing or incomplete
    try:
        return open_set(True)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"The data set is not in {root!r} and the download failed ({error}). Download {url} "
            f"where there is internet and put it at {root}/{archive}; it is checked and unpacked "
            "from there."
        ) from error
