"""States of chats, conversations, sharing and search, without a browser."""
