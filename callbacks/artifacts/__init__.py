"""The files of a run: where they go, exports, the model card, tables and the HTML page.

Callbacks import it; of this room it imports plotting alone.
"""
