"""A store grows here until it is whole: its plan, the records of finished shards, and the one write path."""
