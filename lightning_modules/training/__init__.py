"""What a training step of MetAug needs beside its gradients: batches, optimizers, checks."""
