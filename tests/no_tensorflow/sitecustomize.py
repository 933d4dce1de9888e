"""Put on PYTHONPATH, it hides TensorFlow from a process, as where it is not installed."""

import importlib.machinery
import sys


class WithoutTensorFlow(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname == "tensorflow" else super().find_spec(fullname, path, target)


sys.meta_path[:] = [WithoutTensorFlow if finder is importlib.machinery.PathFinder else finder
                    for finder in sys.meta_path]
