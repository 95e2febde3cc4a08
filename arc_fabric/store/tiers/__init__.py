"""The tiers above object storage: tensors alive on a device, pieces in host memory, pieces on local disk."""

from arc_fabric.store.tiers.device import DeviceTier
from arc_fabric.store.tiers.disk import DiskTier
from arc_fabric.store.tiers.host import HostTier

__all__ = ["DeviceTier", "DiskTier", "HostTier"]
