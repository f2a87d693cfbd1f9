"""What trains and does not predict: dropout, noise, batch norm on the statistics of the batch; found by structure."""
