"""The command `metaug export`: the backbone of a finished checkpoint, for others to use."""

USAGE = """\
usage: metaug export CHECKPOINT [--formats timm onnx torch_export] [--output FOLDER] [options]

Write the backbone of a checkpoint with a model card: what the callback Export writes after a fit.
Data, images and recipe are those of the run's config.yaml, scores and curves those of the
checkpoint.

  --formats FORMAT ...       timm (model.safetensors), onnx (model.onnx), torch_export (model.pt2);
                             timm alone if left out
  --output FOLDER            where to write; by default export/ in the run's folder
  --config FILE              config of the run; by default the config.yaml beside its checkpoints
  --license NAME             of the weights, as the Hub calls it: mit, apache-2.0, cc-by-nc-4.0, ...
  --backbone PATH            dotted path of the submodule; encoder.backbone if left out
  --image_size PIXELS        of onnx and torch_export, where there is no config to say it
  --architecture NAME        timm's name of it; '' to write the weights alone
  --push_to_hub USER/NAME    upload the folder to the Hub of Hugging Face; `hf auth login` before
  --dry_run FOLDER           lay what would be uploaded into FOLDER instead

  metaug export runs/digits/version_0/checkpoints/last.ckpt --formats timm onnx torch_export
  metaug export last.ckpt --push_to_hub USER/NAME --license mit --dry_run hub
"""


def run(options: list[str]) -> int:
    """Export, and upload where that is asked for.

    Args:
        options: What follows the command.
    """
    from metaug.checkpoint_export import export_from_options  # takes seconds: torch, Lightning

    export_from_options(options)
    return 0
