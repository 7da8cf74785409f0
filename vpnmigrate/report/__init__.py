"""What people and programs read: every view is a pure function from values to text or JSON."""
