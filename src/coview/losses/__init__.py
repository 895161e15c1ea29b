"""Station 8: pure maths. Tensors in, tensors out; over the batch of all processes, with gradient.

Each loss is a function and, for those who like modules, a thin module around it.
"""

from coview.losses.cooperation import CooperationLoss, cooperation, sim_loss, sync_loss
from coview.losses.dense_prediction import DensePredictionLoss, dense_prediction_loss
from coview.losses.distillation import similarity_distillation_loss
from coview.losses.global_batch import gather_with_gradient
from coview.losses.info_nce import InfoNCELoss, info_nce_loss
from coview.losses.sinkhorn import sinkhorn
from coview.losses.swapped_assignment import SwappedAssignmentLoss, swapped_assignment_loss

__all__ = [
    "CooperationLoss",
    "DensePredictionLoss",
    "InfoNCELoss",
    "SwappedAssignmentLoss",
    "cooperation",
    "dense_prediction_loss",
    "gather_with_gradient",
    "info_nce_loss",
    "sim_loss",
    "similarity_distillation_loss",
    "sinkhorn",
    "swapped_assignment_loss",
    "sync_loss",
]
