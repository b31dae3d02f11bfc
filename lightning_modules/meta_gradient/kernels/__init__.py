"""Rules that spare the tangent pass work it would do twice; `encoder_passes` alone uses them."""
