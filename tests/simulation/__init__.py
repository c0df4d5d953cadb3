"""The core in a world of dice: every choice comes from one seed."""
