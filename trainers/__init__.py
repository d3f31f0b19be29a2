"""Fine-tuning: full and LoRA from one loop, and what it hands over. ``python -m trainers CONFIG`` trains one candidate."""
