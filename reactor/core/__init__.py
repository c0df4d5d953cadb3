"""The brain: decides everything, touches nothing. No I/O, no clock, no dice, no await."""
