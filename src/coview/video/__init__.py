"""Station 2: file -> frames. Rotation, variable frame rates, odd codecs and damage are met here and nowhere else."""
