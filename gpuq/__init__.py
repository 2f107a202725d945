"""The vocabulary of gpuq and its thin login-node client."""

__version__ = "0.1.0"
