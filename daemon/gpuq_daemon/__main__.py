"""`python -m gpuq_daemon` is `gpuqd`."""

from gpuq_daemon.main import main

main()
