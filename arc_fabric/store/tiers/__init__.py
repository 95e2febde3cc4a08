"""The tiers above object storage: tensors alive on a device, pieces in host memory, pieces on local disk."""

from arc_fabric.store.tiers.device import DeviceTier
from arc_fabric.store.tiers.disk import DiskTier
from arc_fabric.store.tiers.host import HostTier
from arc_fabric.store.tiers.seal import checksums_of, seal_of, seals_of

__all__ = ["DeviceTier", "DiskTier", "HostTier", "checksums_of", "seal_of", "seals_of"]
