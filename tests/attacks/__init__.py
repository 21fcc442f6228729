"""What somebody with bad intentions would try; each test names the refusal it expects."""
