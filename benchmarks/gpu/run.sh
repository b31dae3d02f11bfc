#!/usr/bin/env bash
# Runs benchmarks/gpu from the folder that prepare.sh made, on a machine without network.
#   run.sh [options of benchmarks.gpu]
# Environment, all optional:
#   OUT=FOLDER      results and report (out beside this script)
#   BUDGET=570      seconds from the start of this script, report and all
#   PARTS="..."     some of env parity step fit several settings learn (all)
#   SCRATCH=FOLDER  packages, source and images, kept for the next call (~/.metaug-gpu)
#   PYTHON=python3
set -uo pipefail
started=$(date +%s.%N)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${OUT:-$here/out}
python=${PYTHON:-python3}
scratch=${SCRATCH:-$HOME/.metaug-gpu}
mkdir -p "$out" "$scratch"
out=$(cd "$out" && pwd)
scratch=$(cd "$scratch" && pwd)

# packages that the machine lacks, and the project; each moved into place when it is whole
if [ ! -d "$scratch/packages" ]; then
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
        --target "$scratch/packages.part" "$here"/wheels/*.whl >>"$out/run.log" 2>&1 || exit 1
    mv "$scratch/packages.part" "$scratch/packages"
fi
source=$scratch/source-$(cksum <"$here/source.tar" | cut -d ' ' -f 1)
if [ ! -d "$source" ]; then
    mkdir -p "$source.part" && tar -xf "$here/source.tar" -C "$source.part" || exit 1
    mv "$source.part" "$source"
fi

images=()
for archive in "$here"/images.tar*; do
    [ -f "$archive" ] && images=(--images "$archive")
done
parts=()
[ -n "${PARTS:-}" ] && read -ra names <<<"$PARTS" && parts=(--parts "${names[@]}")
for option in "$@"; do
    [ "$option" = --smoke ] && export OMP_NUM_THREADS=1
done
export PYTHONPATH=$scratch/packages:$source PYTHONUNBUFFERED=1
export TOKENIZERS_PARALLELISM=false WANDB_MODE=offline
cd "$source" || exit 1
exec "$python" -m benchmarks.gpu --out "$out" --report "$out" --scratch "$scratch" \
    --started "$started" \
    --minutes "$(awk "BEGIN { print ${BUDGET:-570} / 60 }")" "${images[@]}" "${parts[@]}" "$@"
