"""`ImageSet`: the one kind of data that flows through the series."""

import dataclasses
import hashlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Labelled images of one split.

    Attributes:
        images: uint8 `(N, H, W, C)`, C is 1 or 3.
        labels: int64 `(N,)`, from 0 to `len(class_names) - 1`; -1 marks an unlabelled image.
        class_names: tuple of str, one a class.
        name: the data set's name, such as `"mnist"`.
        split: the split's name, such as `"train"`.
        source: one sentence that says where the pixels came from.
        official: True if the files agreed with the published checksums.
        left_out: tuple of str, one for each file that could not be used: its name and the reason.

    Raises:
        ValueError: if the shapes, types or labels are not as said here.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple
    name: str = "images"
    split: str = "all"
    source: str = "made in this process"
    official: bool = False
    left_out: tuple = ()

    def __post_init__(self):
        images, labels = self.images, np.asarray(self.labels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise ValueError("ImageSet.images must be uint8 (N, H, W, C) with C 1 or 3; "
                             f"got {images.dtype} {images.shape}.")
        if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"ImageSet.labels must be integers of shape ({len(images)},), one an image; "
                             f"got {labels.dtype} {labels.shape}.")
        if len(labels) and (labels.min() < -1 or labels.max() >= len(self.class_names)):
            raise ValueError(f"ImageSet.labels must lie between 0 and {len(self.class_names) - 1} (-1: unlabelled); "
                             f"got {labels.min()} to {labels.max()}.")
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "left_out", tuple(self.left_out))

    def __len__(self):
        return len(self.labels)

    @property
    def num_classes(self):
        """Number of classes, whether or not each has an image here."""
        return len(self.class_names)

    @property
    def image_shape(self):
        """`(H, W, C)` of one image."""
        return self.images.shape[1:]

    def class_index(self, class_name):
        """Return the label of a class name; ValueError names the classes there are."""
        if class_name not in self.class_names:
            raise ValueError(f"{self.name} has no class {class_name!r}; it has {', '.join(self.class_names)}.")
        return self.class_names.index(class_name)

    def counts(self):
        """Return int64 `(num_classes,)`, the number of labelled images of each class."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.num_classes)

    def subset(self, indices):
        """Return the images at `indices` (int array, or bool mask of length N), in that order."""
        indices = np.asarray(indices)
        if indices.dtype != bool and indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise ValueError(f"indices must lie between 0 and {len(self) - 1}; "
                             f"got {indices.min()} to {indices.max()}.")
        return dataclasses.replace(self, images=self.images[indices], labels=self.labels[indices])

    def stratified(self, count, seed):
        """Return `count` images, each class with its share of them; a smaller count gives a subset of a larger one.

        Args:
            count: int, number of images; or float in (0, 1], the fraction of the set.
            seed: non-negative int; the same seed draws the same images.
        """
        number = round(count * len(self)) if isinstance(count, float) else count
        if not 0 < number <= len(self):
            raise ValueError(f"count must be 1 to {len(self)} images, or a fraction up to 1.0; got {count!r}.")
        return self.subset(np.sort(spread_order(self.labels, seed)[:number]))

    def split_off(self, count, seed):
        """Return `(rest, held_out)`: two disjoint sets, the second stratified as in `stratified`, of `count` images."""
        held_out = self.stratified(count, seed)
        mask = np.ones(len(self), dtype=bool)
        mask[np.sort(spread_order(self.labels, seed)[:len(held_out)])] = False
        return self.subset(mask), held_out

    def folds(self, num_folds, seed):
        """Yield `(train, held_out)` for stratified cross-validation: every image is held out exactly once."""
        if not 2 <= num_folds <= len(self):
            raise ValueError(f"num_folds must be 2 to {len(self)}, got {num_folds}.")
        fold_of = np.empty(len(self), dtype=np.int64)
        fold_of[spread_order(self.labels, seed)] = np.arange(len(self)) % num_folds
        for fold in range(num_folds):
            yield self.subset(fold_of != fold), self.subset(fold_of == fold)

    def fingerprint(self):
        """Return 16 hexadecimal digits of SHA-256 over shape, pixels and labels."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()[:16]

    def describe(self):
        """Return what a record keeps of the set: a JSON-able dict."""
        return {"name": self.name, "split": self.split, "count": len(self), "source": self.source,
                "official": self.official, "left_out": len(self.left_out), "fingerprint": self.fingerprint()}


def spread_order(labels, seed):
    """Order all images so that every prefix holds the classes in (nearly) the set's own proportions.

    Args:
        labels: int `(N,)`.
        seed: non-negative int.

    Returns:
        int64 `(N,)`, a permutation.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    labels = labels[shuffled]
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return shuffled[np.argsort(position, kind="stable")]
