"""The bare API, generated from proto/kindred/v1: messages, enums and stubs of every service."""
