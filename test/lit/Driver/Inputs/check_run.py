"""check_run.py X.npy Y.npy C: y equals x * c + c in every bit."""
import sys

import numpy as np

x, y = np.load(sys.argv[1]), np.load(sys.argv[2])
c = np.float32(sys.argv[3])
assert y.dtype == np.float32 and y.shape == x.shape, (y.dtype, y.shape)
assert np.array_equal(y, x * c + c)
