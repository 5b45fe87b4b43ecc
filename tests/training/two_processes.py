"""What torchrun starts in test_training_parallel.py: a toy's training, stopped in the second process only.

    torchrun … two_processes.py DATA CACHE OUT
"""

import os
import sys
from pathlib import Path

from toy_training import RECIPE, ToyModel, ToyObjective

import vtc.training.train as training
from vtc.training.loop import Options
from vtc.training.watch import Rhythm

STOP = 5

if __name__ == "__main__":
    data, cache, out = map(Path, sys.argv[1:])
    stop = STOP if os.environ["RANK"] == "1" else None
    training.create = lambda recipe, index, folder, init: (ToyObjective(stop), ToyModel())
    options = Options(steps=8, device="cpu", threads=1, rhythm=Rhythm(log_every=2))
    trained = training.train(RECIPE, training.Folders([data], out, cache), options, workers=1)
    assert not trained.outcome.finished
    assert trained.outcome.step == STOP + 1
