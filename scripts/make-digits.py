"""Makes data/digits-*.gz from scikit-learn's copy of the UCI optical-recognition digits. Run once; the files are in the repository.

    python scripts/make-digits.py

Gzipped IDX, as the MNIST family ships it: images uint8 [1797, 8, 8] with values from 0 to 16, labels uint8 [1797].
"""

import gzip
import hashlib
import pathlib
import struct

import numpy
from sklearn.datasets import load_digits

folder = pathlib.Path(__file__).parent.parent / "data"


def write_idx(name: str, values: numpy.ndarray) -> None:
    header = struct.pack(">BBBB", 0, 0, 0x08, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    content = gzip.compress(header + values.astype(numpy.uint8).tobytes(), compresslevel=9, mtime=0)
    (folder / name).write_bytes(content)
    print(name, len(content), "bytes, SHA-256", hashlib.sha256(content).hexdigest())


digits = load_digits()
assert digits.images.shape == (1797, 8, 8) and digits.images.min() == 0 and digits.images.max() == 16
write_idx("digits-images-idx3-ubyte.gz", digits.images)
write_idx("digits-labels-idx1-ubyte.gz", digits.target)
