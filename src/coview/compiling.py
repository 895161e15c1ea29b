"""What torch.compile is to leave alone."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

F = TypeVar("F", bound=Callable[..., Any])


def outside_graphs(function: F) -> F:
    """Mark a function that talks to other processes: compiled code calls it, and does not look into it.

    The same as `torch.compiler.disable`, whose mere use as a decorator loads the compiler, two seconds of every
    command's start.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return cast(F, call)
