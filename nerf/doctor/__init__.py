"""What stands between this machine and a run: what is found, whether it is well, and the cure."""
