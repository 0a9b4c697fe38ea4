"""The good path of ftwire, compiled: what ftwire itself calls, and nobody else."""

__version__: str
