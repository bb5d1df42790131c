"""What training runs in: the versions that decide its result, and the one seed that all randomness comes from."""

from __future__ import annotations

import platform
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("scikit-learn", "skl2onnx", "numpy")


def environment() -> dict[str, str]:
    """Return the versions of Python and of the libraries that train and convert, and the platform."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's and numpy's randomness, keep numeric libraries to one thread, and put everything back after."""
    import numpy

    before, numbers = random.getstate(), numpy.random.get_state()
    random.seed(seed)
    numpy.random.seed(seed)
    try:
        with _one_thread():
            yield
    finally:
        random.setstate(before)
        numpy.random.set_state(numbers)


@contextmanager
def _one_thread() -> Iterator[None]:
    try:
        import sklearn.linear_model  # noqa: F401  only libraries that are loaded can be limited
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ModuleNotFoundError:  # it comes with scikit-learn; without that there is nothing to limit
        yield
        return
    with threadpool_limits(limits=1):
        yield
