"""Keeping what is stored: collector, check, repair, thinning, bundles, and who pays for which bytes."""
