"""Image networks trained on pixels: baseline and fine-tune, and what mask, noisy, text and prompts build on."""
