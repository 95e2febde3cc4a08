"""Commands for the people who work on this repository. Nothing here is installed with the package."""
