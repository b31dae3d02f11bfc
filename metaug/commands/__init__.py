"""The commands beside Lightning's own, a file each: its help `USAGE`, and `run(options)`.

`cli` imports the file of the command that is given, and nothing else does. What a command does is a
file or folder of its own in `metaug/`, imported by `run`: torch and Lightning take seconds, and the
help is there at once.
"""

OTHER_COMMANDS = ("export", "sweep", "runs", "compare", "statistics", "configs")
NEED_OPTIONS = ("export", "sweep", "compare", "statistics")
