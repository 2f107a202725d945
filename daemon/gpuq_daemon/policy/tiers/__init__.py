"""The policy of three tiers: those who waited too long, small jobs of everybody, the rest by fair shares."""
