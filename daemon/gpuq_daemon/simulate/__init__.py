"""The policy in virtual time, fed by traces: what a cluster's waiting and shares would have been under it."""
