"""What is seen of a run while it goes on: gradients, concerns with advice, answers, memory and speed."""
