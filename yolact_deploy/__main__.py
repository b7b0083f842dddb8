"""`python -m yolact_deploy`."""

from .cli import main

if __name__ == "__main__":
    main()
