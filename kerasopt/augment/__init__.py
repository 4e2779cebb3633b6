"""Random changes of the training images, batch by batch.

==========================  ==========================================================
name                        what it does
==========================  ==========================================================
``affine``                  rotates, shifts, shears, zooms and flips, fast
``image_data_generator``    the same by Keras's ``ImageDataGenerator``, image by image
``crop``                    shifts by whole pixels, flips, recolours, cuts out
``random_resized_crop``     a random rectangle, brought to the image's size
``dihedral``                flips and right-angle rotations: satellite images, tissue
``color_jitter``            brightness, contrast, saturation and gamma
``randaugment``             a few random operations of one strength
``noise``                   Gaussian noise on each value
``random_erasing``          paints a rectangle over
``mixup``, ``cutmix``       mix images in pairs, and their labels
``standardize``             a layer for the model: takes off a mean, by a deviation
``preset``                  what suits photos, digits, medical or satellite images
==========================  ==========================================================

Each is a function of this module, a name for `get`, and a stage of a recipe; a list is
applied in its order. Augmentation belongs in the input pipeline, on training images
alone: `apply` is what the pipeline calls, `preview` shows what it does.
"""

from __future__ import annotations

from kerasopt.augment._affine import Affine, affine
from kerasopt.augment._batches import apply, apply_to_batch, unconverted
from kerasopt.augment._chain import Chain, is_mixing, layers_of, steps
from kerasopt.augment._color_jitter import ColorJitter, color_jitter
from kerasopt.augment._crop import Crop, crop
from kerasopt.augment._dihedral import Dihedral, dihedral
from kerasopt.augment._effects import Noise, RandomErasing, noise, random_erasing
from kerasopt.augment._generator import ImageDataGenerator, image_data_generator
from kerasopt.augment._mixing import CutMix, MixUp, cutmix, mix_labels, mixup
from kerasopt.augment._presets import domains, preset
from kerasopt.augment._preview import preview
from kerasopt.augment._randaugment import RandAugment, randaugment
from kerasopt.augment._registry import (
    factories,
    get,
    names,
    register,
    split_standardization,
)
from kerasopt.augment._resized_crop import RandomResizedCrop, random_resized_crop
from kerasopt.augment._standardize import standardize

__all__ = [
    "Affine",
    "Chain",
    "ColorJitter",
    "Crop",
    "CutMix",
    "Dihedral",
    "ImageDataGenerator",
    "MixUp",
    "Noise",
    "RandAugment",
    "RandomErasing",
    "RandomResizedCrop",
    "affine",
    "apply",
    "apply_to_batch",
    "color_jitter",
    "crop",
    "cutmix",
    "dihedral",
    "domains",
    "factories",
    "get",
    "image_data_generator",
    "is_mixing",
    "layers_of",
    "mix_labels",
    "mixup",
    "names",
    "noise",
    "preset",
    "preview",
    "randaugment",
    "random_erasing",
    "random_resized_crop",
    "register",
    "split_standardization",
    "standardize",
    "steps",
    "unconverted",
]
