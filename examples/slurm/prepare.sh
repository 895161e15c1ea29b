#!/bin/bash
# Prepares a collection in 16 shares; whichever share ends last writes the manifest. sbatch examples/slurm/prepare.sh
#SBATCH --job-name=coview-prepare
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
set -euo pipefail
coview prepare my_videos data/mine --views rgb flow --shard "${SLURM_ARRAY_TASK_ID}/16" --workers "${SLURM_CPUS_PER_TASK}"
