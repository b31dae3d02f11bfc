"""A folder of images that is made by a kind of oddity, and what must come of it."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

Make = Callable[["Folder"], None]
KINDS: dict[str, Make] = {}


def kind(make: Make) -> Make:
    """Register a kind of odd folder under the name of its function."""
    name = make.__name__
    KINDS[name.replace("_", " ") if name.isidentifier() else name] = make
    return make


@dataclass
class Folder:
    """A folder under construction.

    Images have one gray level, that of their class, by which they are known again after decoding.

    Attributes:
        root: The folder, which the data module is given.
        draw: Random choices.
        settings: Further arguments of the data module.
        train: Expected training images per class; "" has no label.
        held_out: Expected images per class of the splits `val` and `test`, where there are any.
        levels: Gray level of every class.
        warned: What a warning must say, in parts.
        error: What an error must say, in parts; empty if there must be none.
        levels_kept: Whether decoded images must have the levels of their classes.
        skipped: How many training images must be reported as unreadable.
    """

    root: Path
    draw: random.Random
    settings: dict[str, Any] = field(default_factory=dict)
    train: Counter = field(default_factory=Counter)
    held_out: dict[str, Counter] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    levels_kept: bool = True
    skipped: int = 0

    def level(self, name: str) -> int:
        """Gray level of a class, far from those of the others."""
        return self.levels.setdefault(name, 30 + 45 * len(self.levels))

    def image(self, name: str) -> Image.Image:
        """A new image of a class."""
        edges = self.draw.randint(9, 30), self.draw.randint(9, 30)
        return Image.new("RGB", edges, (self.level(name),) * 3)

    def write(self, place: str, name: str, count: int | None = None, suffix: str = ".png") -> None:
        """Write images of a class, which are not counted."""
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count or self.draw.randint(2, 4)):
            self.image(name).save(folder / f"{number:02d}{suffix}")

    def add(self, place: str, name: str, suffix: str = ".png", count: int | None = None) -> None:
        """Write training images of a class, which are counted."""
        count = count or self.draw.randint(2, 4)
        self.write(place, name, count, suffix)
        self.train[name] += count

    def classes(self, *names: str, below: str = "") -> None:
        """Write a folder per class of training images."""
        for name in names or ("cat", "dog"):
            self.add(f"{below}/{name}".strip("/"), name)

    def hold_out(self, split: str, below: str, *names: str) -> None:
        """Write a folder per class of a held-out split."""
        expected = self.held_out.setdefault(split, Counter())
        for name in names or ("cat", "dog"):
            self.write(f"{below}/{name}", name, 2)
            expected[name] += 2

    def add_file(self, content: bytes | Image.Image, name: str, **save: Any) -> Path:
        """Write a training image of class `cat` of one's own making, which is counted."""
        path = self.root / "cat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path, **save)
        self.train["cat"] += 1
        return path

    def unreadable(self, content: bytes, name: str = "zz.jpg") -> None:
        """Write a broken image, which is to be named, or skipped and counted."""
        self.add_file(content, name)
        self.break_off(name)

    def break_off(self, name: str) -> None:
        """Expect that an image, which was counted, is named, or skipped and counted."""
        if self.draw.random() < 0.5:
            self.error = [name, "on_error: skip"]
        else:
            self.settings["on_error"] = "skip"
            self.train["cat"] -= 1
            self.skipped = 1
