"""What the engineer at the device needs: configurations read, and the sheet to work from."""
