"""``python -m unlearning_atlas``."""

from unlearning_atlas.cli import main

main()
