"""What the calibration tries, and how it is shown: plans of graded experts, a section of a report."""
