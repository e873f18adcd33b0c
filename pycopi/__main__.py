"""``python -m pycopi`` is the command ``pycopi``."""

from pycopi.cli import main

if __name__ == "__main__":
    main()
