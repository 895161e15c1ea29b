"""Heads and fine-tuned models at work: classes of whole videos or timelines, of many videos or of long ones."""

from coview.collection.prediction.predicting import Prediction, predict_videos
from coview.collection.prediction.writing import predict_to_file

__all__ = ["Prediction", "predict_to_file", "predict_videos"]
