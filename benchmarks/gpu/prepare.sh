#!/usr/bin/env bash
# Makes a folder with which benchmarks/gpu runs on a machine without network.
#   prepare.sh [FOLDER] [IMAGES]
# FOLDER/.gpubench is made (FOLDER: the present one) of this repository as it is committed. IMAGES is
# an archive {train,test}/<class>/<image>; without one the machine's data/ or generated images serve.
# The machine needs Python 3.12 on x86-64 with torch, torchvision, pytorch-lightning, torchmetrics,
# timm, scikit-learn, matplotlib, pandas and pytest; what it may lack comes along as wheels.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
folder=${1:-.}/.gpubench
images=${2:-}
python=${PYTHON:-python3}
mkdir -p "$folder/wheels"

for package in higher==0.2.1 'jsonargparse>=4.40,<5' docstring-parser typeshed-client \
    'kornia>=0.8' 'kornia-rs>=0.1.9' 'lightly>=1.5'; do
    name=$(printf '%s' "$package" | sed 's/[^A-Za-z-].*//; s/-/_/g')
    compgen -G "$folder/wheels/$name-*.whl" >/dev/null && continue
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        --platform manylinux1_x86_64 -d "$folder/wheels" "$package"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git -C "$project" archive HEAD | tar -x -C "$work"
rm -rf "$work"/benchmarks/*/reports "$work"/benchmarks/study/results "$work"/docs/figures
git -C "$project" log -1 --format='%h %cs %s' >"$work/COMMIT"
tar -cf "$folder/source.tar" -C "$work" .

cp "$here/run.sh" "$folder/"
if [ -n "$images" ]; then
    case $images in
        *.tar*) install -m 644 "$images" "$folder/images.tar${images##*.tar}" ;;
        *) echo "prepare.sh: images must be a tar archive, got $images" >&2 && exit 1 ;;
    esac
fi
du -sh "$folder" "$folder"/*
