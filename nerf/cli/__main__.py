"""`python -m nerf.cli` is `nerf`."""

from nerf.cli.command import main

if __name__ == "__main__":
    main()
