#!/bin/bash
# Trains on 2 nodes of 4 GPUs as one batch. SLURM sends SIGTERM before the time is up: the run saves, and the same job,
# submitted again, goes on. sbatch examples/slurm/pretrain.sh
#SBATCH --job-name=coview-pretrain
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --mem=128G
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@300
set -euo pipefail
head_node=$(scontrol show hostnames "${SLURM_JOB_NODELIST}" | head -n 1)
srun torchrun --nnodes "${SLURM_NNODES}" --nproc-per-node 4 --rdzv-backend c10d --rdzv-id "${SLURM_JOB_ID}" \
  --rdzv-endpoint "${head_node}:29500" -m coview pretrain medium --data data/mine --out runs/mine --resume
