"""Items as the page holds them: side by side, with their texts and prompts, packed."""
