# Small sets in the layouts of CIFAR-10 and CIFAR-100, as their publisher made them: binary files, pickles of Python 2, pickles as
# Python 3 writes them, and .tar.gz archives by Python's tarfile. The images are noise.
import hashlib, os, pickle, tarfile
import numpy as np


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as cPickle of Python 2 did: both are its `str`."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def dump(value, path, how):
    if how == "python2":
        with open(path, "wb") as file:
            Python2Pickler(file, 2).dump(value)
        with open(path, "rb") as file:
            content = file.read().replace(b"numpy._core", b"numpy.core")
        with open(path, "wb") as file:
            file.write(content)
    else:
        with open(path, "wb") as file:
            pickle.dump(value, file, protocol=how)
    with open(path, "rb") as file:
        return pickle.load(file, encoding="latin1")  # as the publisher says it is read


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array.astype(np.uint8)).tobytes()).hexdigest()


def pack(folder, archive):
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=os.path.basename(folder))


def make(folder, how, count=6, order="C"):
    """Writes both sets under `folder`; returns what is in them."""
    rng = np.random.default_rng(5)
    names10 = [f"kind {i}" for i in range(10)]
    fine, coarse = [f"fine {i}" for i in range(100)], [f"coarse {i}" for i in range(20)]
    images = lambda n: rng.integers(0, 256, (n, 3072), dtype=np.uint8)
    found = {}

    batches = {name: (images(count), rng.integers(0, 10, count).tolist()) for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]}
    parts = {name: (images(n), rng.integers(0, 100, n).tolist(), rng.integers(0, 20, n).tolist()) for name, n in (("train", 5 * count), ("test", count))}
    if how == "binary":
        ten, hundred = os.path.join(folder, "cifar-10-batches-bin"), os.path.join(folder, "cifar-100-binary")
        os.makedirs(ten), os.makedirs(hundred)
        for name, (data, labels) in batches.items():
            np.concatenate([np.array(labels, np.uint8)[:, None], data], 1).tofile(os.path.join(ten, name + ".bin"))
        for name, (data, of_fine, of_coarse) in parts.items():
            np.concatenate([np.array(of_coarse, np.uint8)[:, None], np.array(of_fine, np.uint8)[:, None], data], 1).tofile(os.path.join(hundred, name + ".bin"))
        for path, names in ((os.path.join(ten, "batches.meta.txt"), names10), (os.path.join(hundred, "fine_label_names.txt"), fine), (os.path.join(hundred, "coarse_label_names.txt"), coarse)):
            with open(path, "w") as file:
                file.write("\n".join(names) + "\n\n")
        archives = ("cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz")
    else:
        ten, hundred = os.path.join(folder, "cifar-10-batches-py"), os.path.join(folder, "cifar-100-python")
        os.makedirs(ten), os.makedirs(hundred)
        for name, (data, labels) in batches.items():
            value = {"batch_label": name, "labels": labels, "data": np.array(data, order=order), "filenames": [f"image_{i}.png" for i in range(count)]}
            read = dump(value, os.path.join(ten, name), how)
            assert (read["data"] == data).all() and read["labels"] == labels
        for name, (data, of_fine, of_coarse) in parts.items():
            value = {"filenames": ["a.png"] * len(data), "batch_label": name, "fine_labels": of_fine, "coarse_labels": of_coarse, "data": np.array(data, order=order)}
            read = dump(value, os.path.join(hundred, name), how)
            assert (read["data"] == data).all() and read["fine_labels"] == of_fine
        dump({"num_cases_per_batch": count, "label_names": names10, "num_vis": 3072}, os.path.join(ten, "batches.meta"), how)
        dump({"fine_label_names": fine, "coarse_label_names": coarse}, os.path.join(hundred, "meta"), how)
        archives = ("cifar-10-python.tar.gz", "cifar-100-python.tar.gz")
    for source, archive in zip((ten, hundred), archives):
        pack(source, os.path.join(folder, archive))

    data, labels = (np.concatenate([batches[f"data_batch_{i}"][k] for i in range(1, 6)]) for k in (0, 1))
    found["cifar-10"] = {"classes": names10, "train": [digest(data), digest(labels)], "test": [digest(batches["test_batch"][0]), digest(np.array(batches["test_batch"][1]))]}
    for kind, names, k in (("fine", fine, 1), ("coarse", coarse, 2)):
        found[kind] = {"classes": names, **{name: [digest(parts[name][0]), digest(np.array(parts[name][k]))] for name in ("train", "test")}}
    return found
