"""Plain containers in place of a configuration library's, such as those Hydra passes on."""

from collections.abc import Mapping, Sequence
from typing import Any


def plain_data(value: Any) -> Any:
    """The same with dicts and lists for other mappings and sequences, at any depth.

    Hydra hands OmegaConf's `DictConfig` and `ListConfig` to a constructor unless `_convert_: all`
    is set. What keeps them cannot be loaded without OmegaConf, nor written as JSON.

    Args:
        value: Containers of anything; tuples, strings and all else stay as they are.

    Examples:
        >>> from collections import UserDict, UserList
        >>> plain_data(UserDict(layers=UserList([1, 2]), size=(8, 8)))
        {'layers': [1, 2], 'size': (8, 8)}
    """
    if isinstance(value, Mapping):
        return {key: plain_data(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | tuple):
        return [plain_data(item) for item in value]
    return value
