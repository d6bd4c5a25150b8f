"""Moments added up by someone who wants to be sure that no row counts twice."""

from __future__ import annotations

from functools import reduce
from operator import add

from ..errors import MomentsError
from .ledger import find_overlap
from .moments import Moments


def merge(*moments: Moments, allow_overlap: bool = False) -> Moments:
    """Add moments of different rows, and refuse a part that stands twice.

    ``a + b`` adds whatever it is given; this looks at what went into each first.

    Parameters
    ----------
    moments : Moments
        Any number of them, of the same columns.
    allow_overlap : bool, optional
        Add all the same: rows of equal parts count as often as they stand.

    Returns
    -------
    Moments
        Their sum; ``parts`` lists the parts of all.

    Raises
    ------
    MomentsError
        A part is there twice: two scans whose moments have one fingerprint; names, weights or
        precision that differ.
    ColumnKindError
        A column that is a number in one and a category in another.

    Notes
    -----
    O(k²) and the levels, for each of them and each null pattern, to add and to take fingerprints.
    A scan of some rows of another scan has a fingerprint of its own, and is not recognised.

    Examples
    --------
    >>> import steepest
    >>> monday = steepest.scan({"x": [1.0, 2.0]})
    >>> tuesday = steepest.scan({"x": [4.0]})
    >>> week = merge(monday, tuesday)
    >>> week.n_rows, len(week.parts)
    (3, 2)
    >>> merge(week, tuesday)
    Traceback (most recent call last):
    ...
    steepest.errors.sums.MomentsError: a part stands twice: ...
    """
    repeated = None if allow_overlap else find_overlap(m.parts for m in moments)
    if repeated is not None:
        raise MomentsError.repeated(repeated.source, repeated.rows, repeated.id)
    return reduce(add, moments, Moments.zero())
