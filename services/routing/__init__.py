"""Models of other processes: which upstream answers a call, and how its bytes get there and back."""
