"""How a checkpoint alone builds its module again. It imports no other part."""
