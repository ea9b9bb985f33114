"""Long work by steps, between which everybody else has a turn."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from reaper.clock import give_way

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Stepwise(Protocol[T_co]):
    """What is read from where it takes its time."""

    def by_steps(self) -> Iterator[T_co | None]:
        """Each of them; None now and then, when others may have their turn."""


def by_steps(items: Iterable[T]) -> Iterable[T | None]:
    """Each of them; None now and then, when others may have their turn."""
    return items.by_steps() if isinstance(items, Stepwise) else items


def batches(steps: Iterable[T | None], most: int) -> Iterator[list[T]]:
    """So many at once, fewer where a step ends; after each others may have their turn."""
    some: list[T] = []
    for one in steps:
        if one is not None:
            some.append(one)
        if one is None or len(some) == most:
            yield some
            some = []
    yield some


async def by_turns(steps: Generator[None, None, T]) -> T:
    """What these steps come to, others having their turn after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
        await give_way()
