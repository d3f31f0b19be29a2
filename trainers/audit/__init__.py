"""What is in training data, before anything is trained on it, and how much of an evaluation it gives away."""
