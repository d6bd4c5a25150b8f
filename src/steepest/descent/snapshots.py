"""Numbers, arrays and tensors in plain containers, as bytes; reading them runs nothing."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from .guards import is_jax

LENGTH = 8
"""Bytes that hold how long the header is."""


def pack(value: Any) -> Iterator[bytes]:
    """Yield a header in JSON, and the bytes of every array in it.

    Numbers, texts, None, arrays of NumPy, PyTorch and JAX, in dicts, lists and tuples; floats
    keep each bit, arrays their type and device.

    Examples
    --------
    >>> unpack(b"".join(pack({"w": np.array([0.5]), "t": (1, None, 0.1)})))
    {'w': array([0.5]), 't': (1, None, 0.1)}
    """
    arrays: list[tuple[dict[str, Any], NDArray[Any]]] = []
    tree = _encoded(value, arrays)
    header = json.dumps({"tree": tree, "arrays": [entry for entry, _ in arrays]}).encode()
    yield len(header).to_bytes(LENGTH, "little")
    yield header
    for _, array in arrays:
        yield array.tobytes()


def unpack(data: bytes) -> Any:
    """Return what was packed; ValueError where it is not that."""
    start = LENGTH + int.from_bytes(data[:LENGTH], "little")
    header = json.loads(data[LENGTH:start])
    arrays = []
    for entry in header["arrays"]:
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(data[start : start + size], dtype).reshape(shape).copy()
        arrays.append(_revived(array, entry))
        start += size
    return _decoded(header["tree"], arrays)


def digest(value: Any) -> str:
    """Return sixteen digits that tell a value from others.

    Examples
    --------
    >>> digest([1.0, 2.0]) == digest([1.0, 2.0]), digest(1.0) == digest(1)
    (True, False)
    """
    sha = hashlib.sha256()
    for piece in pack(value):
        sha.update(piece)
    return sha.hexdigest()[:16]


def _encoded(value: Any, arrays: list[tuple[dict[str, Any], NDArray[Any]]]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and not isinstance(value, np.generic):
        return {"float": value.hex()}
    if isinstance(value, dict):
        pairs = [[_encoded(k, arrays), _encoded(v, arrays)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, list):
        return [_encoded(one, arrays) for one in value]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(one, arrays) for one in value]}
    arrays.append(_flattened(value))
    return {"array": len(arrays) - 1}


def _flattened(value: Any) -> tuple[dict[str, Any], NDArray[Any]]:
    """Return an array's description and its bytes."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        about = {"kind": "torch", "type": str(value.dtype).split(".")[1]}
        place = {"device": str(value.device), "size": list(value.shape)}
        return about | place | {"dtype": "uint8", "shape": list(flat.shape)}, flat
    if is_jax(value) and _is_key(value):
        random: Any = sys.modules["jax"].random
        about, array = _flattened(np.asarray(random.key_data(value)))
        return about | {"kind": "key", "type": str(random.key_impl(value))}, array
    kind = "jax" if is_jax(value) else "scalar" if isinstance(value, np.generic) else "numpy"
    array = np.asarray(value)
    known = isinstance(value, np.ndarray | np.generic) or kind == "jax"
    if not known or array.dtype.hasobject:
        raise CheckpointError.unkept(type(value).__name__)
    name = array.dtype.str if array.dtype.kind != "V" else array.dtype.name
    return {"kind": kind, "dtype": name, "shape": list(array.shape)}, array


def _is_key(value: Any) -> bool:
    """Whether an array of JAX holds the states of random generators, which NumPy cannot."""
    jax: Any = sys.modules["jax"]
    return bool(jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key))


def _revived(array: NDArray[Any], entry: dict[str, Any]) -> Any:
    """Return an array of the kind that it was."""
    if entry["kind"] == "torch":
        torch: Any = sys.modules["torch"]
        dtype = getattr(torch, entry["type"])
        if not array.size:
            return torch.empty(entry["size"], dtype=dtype, device=entry["device"])
        flat = torch.from_numpy(array).view(dtype)
        return flat.reshape(entry["size"]).to(entry["device"])
    if entry["kind"] == "key":
        return sys.modules["jax"].random.wrap_key_data(array, impl=entry["type"])
    if entry["kind"] == "jax":
        return sys.modules["jax"].numpy.asarray(array)
    return array[()] if entry["kind"] == "scalar" else array


def _decoded(tree: Any, arrays: list[Any]) -> Any:
    if isinstance(tree, list):
        return [_decoded(one, arrays) for one in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "float":
        return float.fromhex(value)
    if kind == "dict":
        return {_decoded(k, arrays): _decoded(v, arrays) for k, v in value}
    if kind == "tuple":
        return tuple(_decoded(one, arrays) for one in value)
    return arrays[value]
