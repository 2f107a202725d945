"""A site's own programs: before and after jobs, about nodes, and about what is queued."""
