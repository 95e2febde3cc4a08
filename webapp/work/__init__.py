"""From a checked body to a request that the ledger accepts."""
