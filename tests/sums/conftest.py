"""What tests of sums share with those of data."""

from tests.data.conftest import refused

__all__ = ["refused"]
