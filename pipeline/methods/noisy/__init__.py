"""Methods for noisy labels: scn, rul, eac."""
