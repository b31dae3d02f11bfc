"""What the command line makes of configs and options before anything is built from them.

Used by `trainer_cli`, `cli` and the error messages; it imports no other part of `metaug`.
"""
