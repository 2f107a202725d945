"""All SQL of gpuq: what is kept, and one method a question."""

import sys

# sqlite-utils loads numpy where there is one, to know the types of columns that gpuq has none of: 11 MB, 80 ms.
_numpy = sys.modules.get("numpy")
sys.modules["numpy"] = None  # pyright: ignore[reportArgumentType] - says that there is none
try:
    import sqlite_utils as sqlite_utils
finally:
    if _numpy is None:
        del sys.modules["numpy"]
    else:
        sys.modules["numpy"] = _numpy
