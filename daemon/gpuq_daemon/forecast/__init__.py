"""What is to come: the policy that decides live, played forward from a snapshot in virtual time."""
