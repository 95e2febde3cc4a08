"""`python -m arc_fabric`: the command line."""

from arc_fabric.cli import main

if __name__ == "__main__":
    main()
