"""A perceptual distance for training: LPIPS where its weights are at hand, else the feature distance of SqueezeNet, else none.

Which one it was stands in the log and the card; the two are never called by each other's name.
"""

from torch import Tensor

from vtc.bench import features, lpips
from vtc.errors import Unavailable

FEATURES = "feature-distance"
_NETS = {"lpips-vgg": "vgg", "lpips-alex": "alex"}


class Perceptual:
    """One of the distances by `name`; its network is loaded where it is first used."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._loaded: dict[str, features.FeatureNet | lpips.Lpips] = {}

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Of pairs of pictures float `[N, 3, H, W]` in [-1, 1], RGB: `[N]`, 0 for equal ones."""
        device = str(first.device)
        if device not in self._loaded:
            net = _NETS.get(self.name)
            self._loaded[device] = (
                features.FeatureNet.load(None, device) if net is None else lpips.Lpips.load(net, None, device)
            )
        return self._loaded[device].distances(first, second)


def find_perceptual() -> Perceptual | None:
    """The first of LPIPS on VGG-16, LPIPS on AlexNet, and the feature distance whose weights are in the folder that VTC_METRIC_WEIGHTS
    names. None where none is."""
    for name, net in _NETS.items():
        try:
            lpips.find_files(net)
            return Perceptual(name)
        except Unavailable:
            continue
    try:
        features.find_file()
    except Unavailable:
        return None
    return Perceptual(FEATURES)
