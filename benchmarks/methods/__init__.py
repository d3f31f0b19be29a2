"""What each method and each objective of the trainers costs and gives, on the lab world: ``python -m benchmarks.methods``."""
