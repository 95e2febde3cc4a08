"""What of a tensor decides whether another could share pieces with it."""

from __future__ import annotations

from typing import NamedTuple

from arc_fabric.store.format.manifest import TensorRecord


class Form(NamedTuple):
    """A tensor without its elements."""

    dtype: str
    """The dtype's name in safetensors."""
    shape: tuple[int, ...]
    axis: int | None
    """The axis it grows on; None: it is one piece."""
    unit: int

    @classmethod
    def of(cls, record: TensorRecord) -> Form:
        """The form of a recorded tensor."""
        return cls(record.dtype, record.shape, record.axis, record.unit)

    @property
    def length(self) -> int:
        """Indices on the append axis; 1 for a whole tensor."""
        return 1 if self.axis is None else self.shape[self.axis]

    def fits(self, other: Form) -> bool:
        """Equal but for the length of the append axis."""
        if self == other:
            return True
        if self.axis is None or (self.dtype, self.axis, self.unit) != (other.dtype, other.axis, other.unit):
            return False
        before, after = self.axis, self.axis + 1
        return self.shape[:before] == other.shape[:before] and self.shape[after:] == other.shape[after:]
