"""Station 9: the objective. A method is built from encoders, names its stages and turns a batch into a loss."""

from coview.methods.base import Limit, LossOutput, Method, Progress, Stage
from coview.methods.classify import Classify
from coview.methods.cocon import CoCon
from coview.methods.cpc import CPC
from coview.methods.joint import Joint
from coview.methods.momentum import MomentumCopy
from coview.methods.vicc import ViCC
from coview.registry import Registry

METHODS: Registry[type[Method]] = Registry(
    "method",
    {
        "cpc": "coview.methods.cpc:CPC",
        "cocon": "coview.methods.cocon:CoCon",
        "vicc": "coview.methods.vicc:ViCC",
        "joint": "coview.methods.joint:Joint",
        "infonce": "coview.methods.infonce:InfoNCE",
        "coclr": "coview.methods.coclr:CoCLR",
        "cmc": "coview.methods.cmc:CMC",
        "classify": "coview.methods.classify:Classify",
    },
)

__all__ = [
    "CPC",
    "METHODS",
    "Classify",
    "CoCon",
    "Joint",
    "Limit",
    "LossOutput",
    "Method",
    "MomentumCopy",
    "Progress",
    "Stage",
    "ViCC",
]
