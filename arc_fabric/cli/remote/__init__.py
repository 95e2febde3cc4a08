"""Commands that ask a running system over HTTP."""
