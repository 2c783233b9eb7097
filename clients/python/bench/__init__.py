"""How much the client costs over the bare stub, and what pipelining gains."""
