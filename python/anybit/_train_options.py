"""The options of `anybit train`, apart from what trains: their page must not need PyTorch."""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; its help exits with 0, a wrong option with 2."""
    result = argparse.ArgumentParser(prog="anybit train", description="Trains a switchable network as a recipe says.")
    result.add_argument("--recipe", required=True, metavar="FILE.toml", help="what to train (see recipes/)")
    result.add_argument("--folder", required=True, help="where checkpoints, logs and the exported model go")
    result.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE", dest="settings",
                        help="another value of a setting, such as train.epochs=2; repeatable")
    result.add_argument("--fresh", action="store_true", help="begin anew although the folder has checkpoints")
    result.add_argument("--tensorboard", action="store_true", help="write a TensorBoard log too")
    result.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no lines per epoch")
    return result
