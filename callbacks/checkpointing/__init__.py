"""What a checkpoint that a run goes on from is made of; no other part of callbacks is imported."""
