#!/bin/bash
# A training run as a SLURM job that goes on when it is preempted or its time is over:
#
#   sbatch examples/slurm.sh --config imagenet.yaml --data.root FOLDER --data.batch_size 32
#
# Two minutes before the end of its time SLURM sends SIGUSR1: the run saves after the batch in progress and asks SLURM for
# another turn. Preemption sends SIGTERM: the run saves, and SLURM requeues the job itself. Started again, the job takes up the
# newest checkpoint of its own folder, jobs/<job id>.
#SBATCH --job-name=metaug
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=USR1@120
#SBATCH --open-mode=append
set -euo pipefail

folder=jobs/$SLURM_JOB_ID
mkdir -p "$folder"
resume=()
if [ -n "$(find "$folder" -name 'last*.ckpt' -print -quit)" ]; then
    resume=(--ckpt_path last)
fi
srun metaug fit "$@" --trainer.default_root_dir "$folder" \
    --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" ${resume[@]+"${resume[@]}"}
