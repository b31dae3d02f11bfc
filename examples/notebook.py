# %% [markdown]
# # MetAug in a notebook
#
# Three parts, a few minutes on a CPU, no internet: handwritten digits, then a folder of your own
# images, then the trained network in plain timm. `pip install '.[notebook]'` in a clone is all
# that it needs. The notebook is made from `examples/notebook.py`, which the test suite runs.

# %%
import logging
from pathlib import Path

import matplotlib.pyplot as plt
import pytorch_lightning as pl
import timm
import torch
from IPython.display import display
from metaug.callbacks import (
    Export,
    FeatureMap,
    KNNGrid,
    KNNProbe,
    LinearProbe,
    TrainingCurves,
    ViewsGrid,
    run_directory,
)
from metaug.datamodules import DigitsDataModule, ImageFolderDataModule
from metaug.lightning_modules import (
    OUCL,
    AugmentationGenerator,
    Encoder,
    MarginRegularization,
    MetaStep,
    MetAug,
    MetAugObjective,
    OptimizerSettings,
)
from PIL import Image
from pytorch_lightning.loggers import CSVLogger

pl.seed_everything(0, verbose=False)
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)

# %% [markdown]
# ## Digits
#
# A data module gives views of images, an encoder turns a view into a feature, and a small
# generator makes harder features of it. `MetAug` trains both; the settings are those of
# `digits.yaml`. Labels are seen by the probes alone: ten of each class.

# %%
data = DigitsDataModule(batch_size=128, labels_per_class=10)
encoder = Encoder(
    "resnet18",
    small_images=True,
    image_channels=1,
    projection_dim=64,
    backbone_args={
        "layers": [1, 1, 1, 1],
        "channels": [16, 32, 64, 128],
        "zero_init_last": False,
    },
)
model = MetAug(
    encoder,
    generator=AugmentationGenerator(feature_dim=64, num_views=2, hidden_dim=128),
    objective=MetAugObjective(
        contrast=OUCL(gamma=8.0),
        augmented_weight=0.1,
        margin=MarginRegularization(kind="large", weight=1.0, acts_on="both"),
    ),
    meta=MetaStep(engine="lookahead", inner_lr=0.05),
    encoder_optimizer=OptimizerSettings(lr=0.1, warmup_epochs=1),
)

# %%
trainer = pl.Trainer(
    max_epochs=12,
    logger=CSVLogger("runs", name="notebook_digits"),
    log_every_n_steps=5,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[
        ViewsGrid(),
        KNNProbe(k=5, every_n_epochs=2),
        LinearProbe(every_n_epochs=2),
        TrainingCurves(),
        FeatureMap(),
    ],
)
trainer.fit(model, datamodule=data)
figures = run_directory(trainer) / "figures"

# %% [markdown]
# What the encoder is shown: images, and below each its two views.

# %%
display(Image.open(figures / "views_grid.png"))

# %% [markdown]
# Loss and scores while it trained:

# %%
display(Image.open(figures / "training_curves.png"))

# %% [markdown]
# How much the kNN score owes to the choice of k and of the metric:

# %%
judge = pl.Trainer(
    logger=False, enable_progress_bar=False, callbacks=[KNNGrid(k=[1, 5, 20], temperature=[0.1])]
)
scores = judge.validate(model, datamodule=data, verbose=False)

# %% [markdown]
# Held-out digits on a plane, by the two main directions of their representation:

# %%
display(Image.open(figures / "feature_map.png"))

# %% [markdown]
# ## A folder of your own
#
# Put the path of a folder here. Sub-folders are taken as classes, for the probes; images need
# none. Without a path, two photographs that come with scikit-learn are cut into tiles.

# %%
FOLDER = None


def cut_photographs(folder: Path, size: int = 53) -> Path:
    """Tiles of two photographs, a sub-folder each."""
    from sklearn.datasets import load_sample_images

    for name, photograph in zip(["temple", "flower"], load_sample_images().images, strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        rows, columns = photograph.shape[0] // size, photograph.shape[1] // size
        for number in range(rows * columns):
            top, left = size * (number // columns), size * (number % columns)
            tile = photograph[top : top + size, left : left + size]
            Image.fromarray(tile).save(folder / name / f"{number:03}.png")
    return folder


folder = Path(FOLDER) if FOLDER else cut_photographs(Path("runs/tiles"))

# %% [markdown]
# No generator here: an attraction weight of 0.6 in the objective does what it does, for less
# (`docs/study.md`). `Export` writes the trained backbone.

# %%
data = ImageFolderDataModule(str(folder), image_size=48, batch_size=32)
model = MetAug(
    Encoder("resnet10t", projection_dim=64),
    objective=MetAugObjective(contrast=OUCL(attraction_weight=0.6), margin=None),
)
trainer = pl.Trainer(
    max_epochs=15,
    logger=CSVLogger("runs", name="notebook_folder"),
    log_every_n_steps=1,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[
        ViewsGrid(),
        KNNProbe(k=5, every_n_epochs=5),
        Export(),
    ],
)
trainer.fit(model, datamodule=data)
run = run_directory(trainer)
display(Image.open(run / "figures" / "views_grid.png"))

# %% [markdown]
# ## Plain timm
#
# From here on nothing of MetAug is needed: timm reads the folder and knows how the images were
# prepared.

# %%
backbone = timm.create_model(f"local-dir:{run}/export", pretrained=True, num_classes=0).eval()
config = timm.data.resolve_data_config(model=backbone)
transform = timm.data.create_transform(**config, is_training=False)
print({name: config[name] for name in ("input_size", "mean", "std")})

# %%
files = sorted(
    path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")
)
pictures = [Image.open(path).convert("RGB") for path in files[:500]]
with torch.no_grad():
    features = backbone(torch.stack([transform(picture) for picture in pictures]))
features = torch.nn.functional.normalize(features, dim=1)

# %% [markdown]
# Six images (left) and what is nearest to each:

# %%
queries = torch.linspace(0, len(pictures) - 1, 8).long()[1:-1]
nearest = (features[queries] @ features.T).topk(6).indices
figure, axes = plt.subplots(len(queries), 6, figsize=(5, 5))
for row, neighbors in zip(axes, nearest, strict=True):
    for axis, neighbor in zip(row, neighbors, strict=True):
        axis.imshow(pictures[neighbor])
        axis.axis("off")
figure.tight_layout(pad=0.3)
plt.show()
