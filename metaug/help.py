"""The help texts: short, and answered without torch."""

COMMANDS = """\
usage: metaug COMMAND [options]

MetAug: contrastive learning via meta feature augmentation.

commands:
  fit        train, and run the probes that the config names
  validate   run the probes on the validation images of a checkpoint
  test       run the probes on the test images of a checkpoint
  predict    compute the representation of the predict images of a checkpoint
  sweep      search settings by many runs on this machine, as a sweep file says
  statistics mean and standard deviation of each channel of the training images, as a config
  runs       list the runs of a folder: what differs, epochs, scores, time, state
  compare    one page of several runs: curves, settings, scores over seeds
  export     the backbone of a checkpoint for timm, ONNX, torch.export or the Hub, with a model card
  configs    list the shipped configs; `configs NAME` prints one, `configs --path NAME` its path

options:
  -h, --help         this text; `metaug fit --help` names the options that most runs need
  --version          the version
  --config FILE      a YAML of your own or the name of a shipped one; give it several times to lay
                     one over the other. Arguments on the command line win over all of them
  --print_config     print the whole resulting config (a valid config file) and stop
  --ckpt_path FILE   resume from, or evaluate, a checkpoint; `last` finds the newest of this config

An error that you can fix ends with a short message, and warnings are short; METAUG_TRACEBACK=1
shows where they come from.
METAUG_LIGHTNING=1 uses `lightning.pytorch` for `pytorch_lightning`, for callbacks written for it.

  metaug fit --config digits.yaml                      first run, a minute or two on a CPU
  metaug fit --config digits.yaml --config simclr.yaml the same with an overlay
  metaug fit --config digits.yaml --trainer.max_epochs 5 --model.meta.engine exact
"""

_OPTIONS = """\
usage: metaug {command} --config NAME [--config OVERLAY ...] [--KEY VALUE ...]

{purpose}

Keys are those of the config; `init_args` may be left out. What most runs need:
  --ckpt_path FILE                         {checkpoint}; `last`: of the newest run
  --seed_everything 0                      seed of networks, data and views
  --data.root FOLDER                       where the images are
  --data.image_size 64                     edge of the images in pixels
  --data.batch_size 256                    images of a batch, on each process
  --data.num_workers 8                     processes that read and augment
  --model.encoder.backbone resnet50        any timm model; takes the data's channels and size
  --model.encoder.projection_dim 128       feature size; that of the generator is its feature_dim
  --model.encoder_optimizer.lr 0.1         and .name, .weight_decay, .warmup_epochs, .schedule
  --model.generator null                   without a generator
  --model.meta.engine exact                lookahead, exact, higher or first_order
  --model.accumulate 4                     batches that form one contrastive batch
  --model.clip_norm 1.0                    greatest norm of the gradients
  --trainer.max_epochs 100                 how long
  --trainer.devices 2                      processes, with --trainer.strategy ddp
  --trainer.precision bf16-mixed           or 32-true, 64-true
  --trainer.default_root_dir FOLDER        where the run's folder lies, logs, checkpoints and all
  --trainer.logger false                   without logs; --trainer.enable_checkpointing false
  --callbacks.KNNProbe.k 20                change one of trainer.callbacks, by its class or name
  --callbacks.FeatureMap null              leave one out
  --print_config                           print the whole resulting config and stop

All options:
  metaug {command} --help all                   those of the trainer, and the classes there are
  metaug {command} --model.help MetAug          those of a class
  metaug {command} --data.help DigitsDataModule
  metaug configs                           the shipped configs and overlays
"""

_PURPOSES = {
    "fit": ("Train, and run the probes that the config names.", "resume from a checkpoint"),
    "validate": ("Run the probes on the validation images.", "what to evaluate"),
    "test": ("Run the probes on the test images.", "what to evaluate"),
    "predict": ("Write representations: add --config features.yaml.", "what to evaluate"),
}


def options_of(command: str) -> str:
    """The help of `fit`, `validate`, `test` or `predict`."""
    purpose, checkpoint = _PURPOSES[command]
    return _OPTIONS.format(command=command, purpose=purpose, checkpoint=checkpoint)
