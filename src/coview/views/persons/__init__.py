"""Persons in the pictures: detectors, tracks, and the views pose and segmentation made of them."""
